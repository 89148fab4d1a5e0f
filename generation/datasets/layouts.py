"""The layouts by name, and the one way to read a data set of any of them."""

from collections.abc import Callable, Collection
from pathlib import Path

from generation.datasets.checking import check
from generation.datasets.duplicates import DISTANCE
from generation.datasets.folder import list_folder
from generation.datasets.huggingface import list_huggingface
from generation.datasets.hyperkvasir import list_hyperkvasir
from generation.datasets.kvasir_vqa import list_kvasir_vqa
from generation.datasets.medvqa_gi import list_medvqa_gi
from generation.datasets.records import Listing, Record
from generation.datasets.rocov2 import list_rocov2

LAYOUTS: dict[str, Callable[..., Listing]] = {
    "folder": list_folder,
    "medvqa-gi": list_medvqa_gi,
    "kvasir-vqa": list_kvasir_vqa,
    "hyperkvasir": list_hyperkvasir,
    "rocov2": list_rocov2,
    "huggingface": list_huggingface,
}


def read_dataset(
    layout: str,
    path: Path | None = None,
    *,
    holdout: float | None = None,
    split_seed: int = 0,
    duplicate_distance: int = DISTANCE,
    leave_out: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
    **options: object,
) -> list[Record]:
    """Read and check a data set: every image decoded and in a split, none in two.

    Args:
        layout: a key of `LAYOUTS`; ``options`` are its reader's, such as ``caption_column``.
        holdout, split_seed, leave_out, progress: as in `generation.datasets.checking.check`.
        duplicate_distance: bits of 256 in which near duplicates may differ.

    Raises:
        DatasetError: with every problem found.
    """
    return check(
        LAYOUTS[layout](path, **options),
        holdout=holdout,
        split_seed=split_seed,
        distance=duplicate_distance,
        leave_out=leave_out,
        progress=progress,
    )
