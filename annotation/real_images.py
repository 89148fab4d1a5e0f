"""The real images of a study: references, shown openly, and those hidden among the arms."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from annotation.errors import StudyError, listed
from annotation.protocols import Protocol
from generation.models import Dataset, Image, Prompt

Choice = Mapping[int, Sequence[Image]]  # by the prompt's primary key, in the order shown


def choose_references(
    *, prompts: Sequence[Prompt], dataset: Dataset, split: str, count: int, seed: int
) -> dict[int, list[Image]]:
    """For each prompt `count` real images captioned by it, its original or their reference caption.

    Both prompts of a pair share their images. Pairs get different images as far as there are
    enough; those with the fewest candidates choose first. The choice follows from `seed` and the
    images' bytes alone.
    """
    candidates = _candidates(prompts, dataset, split)
    pairs = {prompt.original.pk: candidates[prompt.original] for prompt in prompts}
    names = {prompt.original.pk: prompt.original for prompt in prompts}
    chosen = _choose(pairs, names, f"{split} images of “{dataset}”", count, seed)
    return {prompt.pk: chosen[prompt.original.pk] for prompt in prompts}


def choose_hidden(
    *,
    prompts: Sequence[Prompt],
    dataset: Dataset,
    split: str,
    count: int,
    seed: int,
    references: Choice,
) -> dict[int, list[Image]]:
    """For each prompt `count` real images, as in `choose_references`, that nobody sees as
    references. The prompts of a pair get different ones as far as there are enough."""
    shown = {image.sha256 for images in references.values() for image in images}
    candidates = _candidates(prompts, dataset, split)
    free = {
        prompt.pk: {image for image in candidates[prompt.original] if image.sha256 not in shown}
        for prompt in prompts
    }
    names = {prompt.pk: prompt for prompt in prompts}
    what = f"{split} images of “{dataset}” beside the references"
    return _choose(free, names, what, count, seed)


def _candidates(
    prompts: Sequence[Prompt], dataset: Dataset, split: str
) -> dict[Prompt, set[Image]]:
    """By original prompt, the images that carry a prompt of its pair as a caption."""
    if split == Image.Split.TRAIN:
        raise StudyError("References can't come from the training split: name another one.")
    splits = dataset.splits()
    if split not in splits:
        has = ", ".join(splits) or "no images"
        raise StudyError(f"“{dataset}” has no split “{split}”; it has: {has}.")
    captioned: dict[str, set[Image]] = {}
    for image in dataset.images.real().filter(split=split).prefetch_related("prompts"):
        for caption in image.prompts.all():
            captioned.setdefault(_plain(caption.text), set()).add(image)
    candidates: dict[Prompt, set[Image]] = {}
    for prompt in prompts:
        found = candidates.setdefault(prompt.original, set())
        for text in (prompt.text, prompt.original.text, prompt.original.reference_caption):
            found |= captioned.get(_plain(text), set())
    return candidates


def _choose(
    candidates: Mapping[int, set[Image]],
    names: Mapping[int, Prompt],
    what: str,
    count: int,
    seed: int,
) -> dict[int, list[Image]]:
    """For each key so many of its candidates, those used least before others."""
    short = [
        f"“{names[key]}” ({len(found)} of {count})"
        for key, found in candidates.items()
        if len(found) < count
    ]
    if short:
        raise StudyError(
            f"Too few {what} carry these prompts as captions: {listed(short)}. Choose other "
            "prompts or fewer images per case."
        )
    used: Counter[Image] = Counter()
    chosen: dict[int, list[Image]] = {}
    for key in sorted(candidates, key=lambda key: (len(candidates[key]), key)):
        order = sorted(candidates[key], key=lambda image: image.sha256)
        random.Random(f"{seed} {len(chosen)}").shuffle(order)
        chosen[key] = sorted(order, key=lambda image: used[image])[:count]
        used.update(chosen[key])
    return chosen


def check_references(protocol: Protocol, prompts: Sequence[Prompt], references: Choice) -> None:
    """Raises `StudyError`: not so many real images for each prompt, or one trained on."""
    count = protocol.references_per_case
    _check_count("reference", count, prompts, references)
    _check_not_trained_on(image for images in references.values() for image in images)


def check_hidden(
    protocol: Protocol, prompts: Sequence[Prompt], hidden: Choice, references: Choice
) -> None:
    """Raises `StudyError`: not so many real images for each prompt, one that is a reference of
    any case, or one trained on. Bytes are compared."""
    _check_count("hidden", protocol.images_per_set, prompts, hidden)
    shown = {image.sha256 for images in references.values() for image in images}
    both = [image for images in hidden.values() for image in images if image.sha256 in shown]
    if both:
        raise StudyError(
            f"{len(both)} real images would be shown both as references and hidden among the "
            f"sets, for example “{both[0]}”: choose others."
        )
    _check_not_trained_on(image for images in hidden.values() for image in images)


def _check_count(what: str, count: int, prompts: Sequence[Prompt], choice: Choice) -> None:
    for prompt in prompts:
        images = choice.get(prompt.pk, ())
        if len(images) != count or len(set(images)) != count:
            raise StudyError(
                f"“{prompt}” has {len(set(images))} {what} images; the protocol shows {count}."
            )
        if any(image.kind != Image.Kind.REAL for image in images):
            raise StudyError(f"A {what} image of “{prompt}” is generated: only real ones go.")


def _check_not_trained_on(images: Iterable[Image]) -> None:
    """Compares bytes, so that a copy under another name or in another data set is found too."""
    digests = {image.sha256 for image in images}
    seen = Image.objects.real().filter(split=Image.Split.TRAIN, sha256__in=digests)
    if seen.exists():
        raise StudyError(
            f"{seen.count()} reference images stand in a training split, for example "
            f"“{seen.first()}”: choose images that no generator was trained on."
        )


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
