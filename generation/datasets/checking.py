"""From a listing to records that are fit to import: every image decoded, every problem named."""

from collections.abc import Callable, Collection, Iterator

from generation.datasets import DatasetError
from generation.datasets.duplicates import DISTANCE, across_splits
from generation.datasets.inspection import inspect, sha256
from generation.datasets.records import Listing, Record
from generation.datasets.splitting import HOLDOUT, hold_out


def check(
    listing: Listing,
    *,
    holdout: float | None = None,
    split_seed: int = 0,
    distance: int = DISTANCE,
    leave_out: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Record]:
    """Inspect all images and see to it that no picture stands in two splits.

    Args:
        holdout: share of the images for the test split, whatever splits the data set has; None
            keeps its own, or holds out 10 % where it has none.
        distance: bits of 256 in which near duplicates may differ.
        leave_out: names of images that are not wanted.
        progress: called with (images checked, images in all).

    Raises:
        DatasetError: with every problem found.
    """
    records = [r for name, r in listing.records.items() if name not in leave_out]
    problems = [text for image, text in listing.problems if not image or image not in leave_out]
    known = {*listing.records, *(image for image, _ in listing.problems)}
    problems += [f"There is no image {name} to leave out." for name in sorted({*leave_out} - known)]
    if not records and not problems:
        problems.append("There are no images.")
    merged: list[Record] = []
    problems += _inspect_all(records, merged, listing.rows_are_pairs, holdout is None, progress)
    if holdout is None:
        problems += _split_problems(merged, distance)
    if problems:
        raise DatasetError(problems)
    if holdout is not None or not merged[0].split:
        share = HOLDOUT if holdout is None else holdout
        hold_out(merged, holdout=share, split_seed=split_seed, distance=distance)
    return merged


def _split_problems(records: list[Record], distance: int) -> Iterator[str]:
    without = [record.name for record in records if not record.split]
    if without and len(without) < len(records):
        yield (
            f"{len(without)} of {len(records)} images are in no split, {without[0]} for one: "
            "give them one, or have all images split anew with --holdout."
        )
    usable = [record for record in records if record.fingerprint]
    if not without and usable:
        yield from across_splits(usable, distance=distance)


def _inspect_all(
    records: list[Record],
    merged: list[Record],
    rows_are_pairs: bool,
    splits_are_given: bool,
    progress: Callable[[int, int], None] | None,
) -> Iterator[str]:
    """Problems of the images; into ``merged`` goes each that is not another one's twin."""
    first: dict[str, Record] = {}
    for done, record in enumerate(records, 1):
        try:
            data = record.read()
        except (OSError, ValueError) as error:
            yield f"{record.name} can't be read ({error}): replace it."
        else:
            record.sha256 = sha256(data)
            twin = first.setdefault(record.sha256, record)
            if twin is record:
                merged.append(record)
                if problem := inspect(record, data):
                    yield problem
            elif problem := _twin_problem(record, twin, rows_are_pairs, splits_are_given):
                yield problem
            else:
                twin.captions += [c for c in record.captions if c not in twin.captions]
        if progress:
            progress(done, len(records))


def _twin_problem(
    record: Record, twin: Record, rows_are_pairs: bool, splits_are_given: bool
) -> str | None:
    if splits_are_given and record.split != twin.split:
        return (
            f"{record.name} ({record.split}) and {twin.name} ({twin.split}) are the same image: "
            "keep one, or have all images split anew with --holdout."
        )
    return (
        None if rows_are_pairs else f"{record.name} and {twin.name} are the same image: keep one."
    )
