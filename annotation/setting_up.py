"""What a new study takes from the database: its prompts, those for practice, and real images."""

from collections.abc import Iterable
from typing import Any

from annotation.errors import StudyError
from annotation.protocols import Protocol
from annotation.real_images import BY_CAPTION, Choice, choose_hidden, choose_references
from generation.models import Dataset, Generator, Prompt


def choose_prompts(
    dataset: Dataset, *, pairs: int | None, practice: int, insist: bool = False
) -> tuple[list[Prompt], list[Prompt]]:
    """The first pairs of the data set, each prompt and its first rephrasing; and for practice the
    originals of the pairs that come next, as far as there are or, to `insist`, all of them.

    Args:
        pairs: how many; None takes all, less those for practice.

    Raises:
        StudyError: there are no pairs, or not so many.
    """
    originals = dataset.prompts.filter(rephrasing_of=None).exclude(rephrasings=None).distinct()
    found = [
        (prompt, prompt.rephrasings.all()[0])
        for prompt in originals.prefetch_related("rephrasings")
    ]
    if not found:
        raise StudyError(f"“{dataset}” has no prompts with a rephrasing: rephrase them first.")
    if not insist:
        practice = max(0, min(practice, len(found) - (pairs or 1)))
    most = len(found) - practice
    pairs = most if pairs is None else pairs
    if not 1 <= pairs <= most:
        beside = f", {practice} of them for practice" if practice else ""
        raise StudyError(
            f"“{dataset}” has {len(found)} prompts with a rephrasing{beside}; {pairs} were asked "
            "for."
        )
    return (
        [prompt for pair in found[:pairs] for prompt in pair],
        [original for original, _ in found[pairs : pairs + practice]],
    )


def choose_real_images(
    protocol: Protocol,
    prompts: list[Prompt],
    *,
    dataset: Dataset,
    split: str,
    seed: int,
    match: str = BY_CAPTION,
    generators: Iterable[Generator] = (),
    kept: Choice | None = None,
) -> tuple[Choice, Choice | None]:
    """References and, where the protocol hides real images among the arms, those, for each prompt.

    Args:
        match, generators: as in `choose_references`.
        kept: references that were chosen before, by hand perhaps, and stay for their prompts.

    Raises:
        StudyError: too few images, or from the training split.
    """
    generators = list(generators)
    wish: dict[str, Any] = {
        "dataset": dataset,
        "split": split,
        "seed": seed,
        "match": match,
        "generators": generators,
    }
    kept = kept or {}
    fresh = [prompt for prompt in prompts if prompt.pk not in kept]
    references: Choice = {
        **kept,
        **choose_references(prompts=fresh, count=protocol.references_per_case, **wish),
    }
    if not protocol.hidden_real:
        return references, None
    hidden = choose_hidden(
        prompts=prompts, count=protocol.images_per_set, references=references, **wish
    )
    return references, hidden
