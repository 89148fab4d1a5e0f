"""The text side of an MSDM: a given CLIP that stays frozen, or a small one trained along."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Tokenizer

from generation.engine.loading import checkpoint_directory
from generation.training.config import MSDMConfig, TrainingConfigError

MERGES = 1024


def build_text(config: MSDMConfig, captions: Iterable[str]) -> tuple[CLIPTokenizer, CLIPTextModel]:
    """Tokenizer and text encoder; the encoder is frozen (requires no gradient) if it was given.

    Raises CheckpointError when ``config.text_encoder`` cannot be found or fetched, and
    TrainingConfigError when it takes fewer tokens than ``config.token_length``.
    """
    if config.text_encoder:
        directory = checkpoint_directory(config.text_encoder)
        tokenizer = CLIPTokenizer.from_pretrained(directory, model_max_length=config.token_length)
        model = CLIPTextModel.from_pretrained(directory, use_safetensors=True)
        if (most := model.config.max_position_embeddings) < config.token_length:
            raise TrainingConfigError(
                f"token_length is {config.token_length}; the text encoder takes {most} at most."
            )
        return tokenizer, model.requires_grad_(False).eval()
    tokenizer = train_tokenizer(captions, config.token_length)
    return tokenizer, CLIPTextModel(text_config(config, tokenizer))


def train_tokenizer(captions: Iterable[str], token_length: int) -> CLIPTokenizer:
    """A CLIP byte-pair tokenizer whose merges come from the captions (at most ``MERGES``).

    Every byte is a token too, so that any prompt has tokens. The library's own trainer numbers
    tokens differently in every process, which would make a training irreproducible.
    """
    backend = CLIPTokenizer().backend_tokenizer
    words: Counter[str] = Counter()
    for caption in captions:
        text = backend.normalizer.normalize_str(caption)
        words.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
    merges = _merges(words)
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(m) for m in merges)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=token_length)


def _merges(words: Counter[str]) -> list[tuple[str, str]]:
    """Byte-pair merges (Sennrich et al. 2016); of equally frequent pairs the first by name."""
    split = {word: [*word[:-1], f"{word[-1]}</w>"] for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < MERGES:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(split[word]):
                pairs[pair] += count
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append((left, right))
        for parts in split.values():
            for i in range(len(parts) - 1, 0, -1):
                if parts[i - 1 : i + 1] == [left, right]:
                    parts[i - 1 : i + 1] = [left + right]
    return merges


def train_t5_tokenizer(captions: Iterable[str]) -> T5Tokenizer:
    """A T5 unigram tokenizer of the captions' words, and of single letters for all others.

    Built by hand: trained on so little text, the library's trainer ends with letters alone.
    """
    words = {word for caption in captions for word in re.findall(r"\w+|[^\w\s]", caption)}
    letters = {letter for word in words for letter in word} | set(string.printable.strip())
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -8.0)]
    pieces += [(f"▁{word}", -1.0) for word in sorted(words)]
    pieces += [(letter, -9.0) for letter in sorted(letters)]
    pieces += [(word, -2.0) for word in sorted(words - letters)]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def text_config(config: MSDMConfig, tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.text_width,
        intermediate_size=2 * config.text_width,
        num_hidden_layers=config.text_layers,
        num_attention_heads=max(1, config.text_width // 16),
        max_position_embeddings=config.token_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
