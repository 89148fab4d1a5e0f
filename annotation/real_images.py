"""The real images of a study: references, shown openly, and those hidden among the arms."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Q

from annotation.errors import StudyError, listed
from annotation.protocols import Protocol
from generation.models import Dataset, Generator, Image, Prompt
from generation.rephrasing.checking import findings

BY_CAPTION, BY_FINDING = "caption", "finding"
_AT_ONCE = 500  # digests a query
Choice = Mapping[int, Sequence[Image]]  # by the prompt's primary key, in the order shown


def choose_references(
    *,
    prompts: Sequence[Prompt],
    dataset: Dataset,
    split: str,
    count: int,
    seed: int,
    match: str = BY_CAPTION,
    generators: Iterable[Generator] = (),
) -> dict[int, list[Image]]:
    """For each prompt `count` real images captioned by it, its original or their reference caption.

    Both prompts of a pair share their images. Pairs get different images as far as there are
    enough; those with the fewest candidates choose first. The choice follows from `seed` and the
    images' bytes alone.

    Args:
        match: by finding, images whose captions name all that a prompt names make up for those
            that too few carry as a caption.
        generators: none gets an image that it was trained on.
    """
    candidates = _candidates(prompts, dataset, split, count, match, generators)
    pairs = {prompt.original.pk: candidates[prompt.original] for prompt in prompts}
    names = {prompt.original.pk: prompt.original for prompt in prompts}
    chosen = _choose(pairs, names, f"{split} images of “{dataset}”", count, seed, match)
    return {prompt.pk: chosen[prompt.original.pk] for prompt in prompts}


def choose_hidden(
    *,
    prompts: Sequence[Prompt],
    dataset: Dataset,
    split: str,
    count: int,
    seed: int,
    references: Choice,
    match: str = BY_CAPTION,
    generators: Iterable[Generator] = (),
) -> dict[int, list[Image]]:
    """For each prompt `count` real images, as in `choose_references`, that nobody sees as
    references. The prompts of a pair get different ones as far as there are enough."""
    shown = {image.sha256 for images in references.values() for image in images}
    candidates = _candidates(prompts, dataset, split, count, match, generators, without=shown)
    free = {prompt.pk: candidates[prompt.original] for prompt in prompts}
    names = {prompt.pk: prompt for prompt in prompts}
    what = f"{split} images of “{dataset}” beside the references"
    return _choose(free, names, what, count, seed, match)


def _candidates(
    prompts: Sequence[Prompt],
    dataset: Dataset,
    split: str,
    count: int,
    match: str,
    generators: Iterable[Generator],
    *,
    without: Collection[str] = (),
) -> dict[Prompt, dict[Image, bool]]:
    """By original prompt, the images that may show it, and whether a caption says so."""
    if split == Image.Split.TRAIN:
        raise StudyError("References can't come from the training split: name another one.")
    splits = dataset.splits()
    if split not in splits:
        has = ", ".join(splits) or "no images"
        raise StudyError(f"“{dataset}” has no split “{split}”; it has: {has}.")
    images = dataset.images.real().filter(split=split).prefetch_related("prompts")
    barred = {*without, *trained_on(images, generators)}
    captions = {
        image: [caption.text for caption in image.prompts.all()]
        for image in images
        if image.sha256 not in barred
    }
    by_caption: dict[str, set[Image]] = {}
    for image, texts in captions.items():
        for text in texts:
            by_caption.setdefault(_plain(text), set()).add(image)
    candidates: dict[Prompt, dict[Image, bool]] = {}
    for prompt in prompts:
        mine = candidates.setdefault(prompt.original, {})
        for text in (prompt.text, prompt.original.text, prompt.original.reference_caption):
            mine.update(dict.fromkeys(by_caption.get(_plain(text), ()), True))
    if match == BY_FINDING:
        _add_by_finding(candidates, captions, count)
    return candidates


def _add_by_finding(
    candidates: dict[Prompt, dict[Image, bool]], captions: Mapping[Image, list[str]], count: int
) -> None:
    """To prompts with fewer than `count`, the images whose captions name all that they name."""
    shown = {image: frozenset().union(*map(findings, texts)) for image, texts in captions.items()}
    for prompt, mine in candidates.items():
        wanted = findings(prompt.reference_caption or prompt.text)
        if wanted and len(mine) < count:
            for image, named in shown.items():
                if wanted <= named:
                    mine.setdefault(image, False)


def _choose(
    candidates: Mapping[int, Mapping[Image, bool]],
    names: Mapping[int, Prompt],
    what: str,
    count: int,
    seed: int,
    match: str,
) -> dict[int, list[Image]]:
    """For each key so many of its candidates: first those captioned by it, and those used least."""
    short = [
        f"“{names[key]}” ({len(found)} of {count})"
        for key, found in candidates.items()
        if len(found) < count
    ]
    if short:
        carry = "carry these prompts as captions" if match == BY_CAPTION else "show these findings"
        advice = ", have them matched by finding" if match == BY_CAPTION else ""
        raise StudyError(
            f"Too few {what} {carry}: {listed(short)}. Choose other prompts or fewer images per "
            f"case{advice}."
        )
    used: Counter[Image] = Counter()
    chosen: dict[int, list[Image]] = {}
    for key in sorted(candidates, key=lambda key: (len(candidates[key]), key)):
        found = candidates[key]
        order = sorted(found, key=lambda image: image.sha256)
        random.Random(f"{seed} {len(chosen)}").shuffle(order)
        chosen[key] = sorted(order, key=lambda image: (not found[image], used[image]))[:count]
        used.update(chosen[key])
    return chosen


def check_real_images(
    protocol: Protocol,
    prompts: Sequence[Prompt],
    references: Choice,
    hidden: Choice | None,
    *,
    generators: Iterable[Generator],
) -> None:
    """Raises `StudyError`: not so many real images for each prompt as the protocol shows, one that
    a generator was trained on, or one that is hidden in a case and a reference of any. Bytes are
    compared."""
    _check_count("reference", protocol.references_per_case, prompts, references)
    images = {image for some in references.values() for image in some}
    if protocol.hidden_real:
        hidden = hidden or {}
        _check_count("hidden", protocol.images_per_set, prompts, hidden)
        shown = {image.sha256 for image in images}
        concealed = {image for some in hidden.values() for image in some}
        both = [image for image in concealed if image.sha256 in shown]
        if both:
            raise StudyError(
                f"{len(both)} real images would be shown both as references and hidden among the "
                f"sets, for example “{both[0]}”: choose others."
            )
        images |= concealed
    if seen := trained_on(images, generators):
        example = next(image for image in images if image.sha256 in seen)
        raise StudyError(
            f"{len(seen)} reference images stand in a training split, for example “{example}”: "
            "choose images that no generator was trained on."
        )


def trained_on(images: Iterable[Image], generators: Iterable[Generator]) -> set[str]:
    """Digests of those images that a generator may have seen in training: all of any training
    split, and of the split that one of these generators was trained on.

    Bytes are compared, so that a copy under another name or in another data set is found too.
    """
    digests = sorted({image.sha256 for image in images})
    where = Q(split=Image.Split.TRAIN)
    for generator in generators:
        if generator.trained_on_id:
            where |= Q(dataset=generator.trained_on_id, split=generator.trained_split)
    seen: set[str] = set()
    for start in range(0, len(digests), _AT_ONCE):
        found = Image.objects.real().filter(where, sha256__in=digests[start : start + _AT_ONCE])
        seen.update(found.values_list("sha256", flat=True))
    return seen


def _check_count(what: str, count: int, prompts: Sequence[Prompt], choice: Choice) -> None:
    for prompt in prompts:
        images = choice.get(prompt.pk, ())
        if len(images) != count or len(set(images)) != count:
            raise StudyError(
                f"“{prompt}” has {len(set(images))} {what} images; the protocol shows {count}."
            )
        if any(image.kind != Image.Kind.REAL for image in images):
            raise StudyError(f"A {what} image of “{prompt}” is generated: only real ones go.")


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
