"""HyperKvasir's labelled images: ``labeled-images/<tract>/<category>/<class>/*.jpg``.

10,662 images of 23 classes; ``image-labels.csv`` (Video file, Organ, Finding, Classification)
lists them again and is used to see whether all are there. A caption is made of the tract (which
tells the procedure) and one of the class, in the words of the MEDVQA-GI prompts; where these have
none for a class, in their pattern. Source: Borgli et al. 2020, doi 10.1038/s41597-020-00622-y.
"""

from pathlib import Path

from generation.datasets import DatasetError
from generation.datasets.files import image_files
from generation.datasets.records import Listing, Record
from generation.datasets.tables import read_named

TABLE = "image-labels.csv"
PROCEDURES = {
    "lower-gi-tract": "Generate an image from a colonoscopy procedure.",
    "upper-gi-tract": "Generate an image from a gastroscopy procedure.",
}
_COLITIS = "ulcerative colitis"
_CONTENT: dict[str, tuple[str, ...]] = {
    "barretts": ("barretts",),
    "barretts-short-segment": ("barretts", "short-segment barretts"),
    "bbps-0-1": ("a bowel preparation of bbps 0-1",),
    "bbps-2-3": ("a bowel preparation of bbps 2-3",),
    "cecum": ("the cecum",),
    "dyed-lifted-polyps": ("a polyp", "a dyed lifted polyp"),
    "dyed-resection-margins": ("dyed resection margins",),
    "esophagitis-a": ("oesophagitis", "oesophagitis of grade a"),
    "esophagitis-b-d": ("oesophagitis", "oesophagitis of grade b to d"),
    "hemorrhoids": ("hemorrhoids",),
    "ileum": ("the ileum",),
    "impacted-stool": ("impacted stool",),
    "polyps": ("a polyp",),
    "pylorus": ("the pylorus",),
    "retroflex-rectum": ("the retroflexed rectum",),
    "retroflex-stomach": ("the retroflexed stomach",),
    "ulcerative-colitis-grade-0-1": (_COLITIS, f"{_COLITIS} of grade 0 to 1"),
    "ulcerative-colitis-grade-1": (_COLITIS, f"{_COLITIS} of grade 1"),
    "ulcerative-colitis-grade-1-2": (_COLITIS, f"{_COLITIS} of grade 1 to 2"),
    "ulcerative-colitis-grade-2": (_COLITIS, f"{_COLITIS} of grade 2"),
    "ulcerative-colitis-grade-2-3": (_COLITIS, f"{_COLITIS} of grade 2 to 3"),
    "ulcerative-colitis-grade-3": (_COLITIS, f"{_COLITIS} of grade 3"),
    "z-line": ("the z-line",),
}
CLASSES = frozenset(_CONTENT)


def list_hyperkvasir(path: Path) -> Listing:
    """List all labelled images with the captions of their class; without splits.

    Args:
        path: ``labeled-images`` or the folder that holds it.

    Raises:
        DatasetError: there are no such folders. Classes that HyperKvasir doesn't have, and images
            that the table names and the folders lack, are problems of the listing.
    """
    root = path / "labeled-images" if (path / "labeled-images").is_dir() else path
    tracts = [root / name for name in PROCEDURES if (root / name).is_dir()]
    if not tracts:
        raise DatasetError([f"{root} has neither {' nor '.join(PROCEDURES)}."])
    listing = Listing()
    for tract in tracts:
        for folder in sorted(tract.glob("*/*/")):
            _list_class(listing, tract.name, folder)
    if (root / TABLE).is_file():
        _compare(listing, root / TABLE)
    return listing


def captions_of(tract: str, name: str) -> list[str]:
    """The captions of an image of this class: the procedure, then what it shows."""
    return [PROCEDURES[tract], *(f"Generate an image containing {c}." for c in _CONTENT[name])]


def _list_class(listing: Listing, tract: str, folder: Path) -> None:
    if folder.name not in CLASSES:
        listing.refuse(f"{folder} is no class of HyperKvasir; these are: {sorted(CLASSES)}.")
        return
    for file in image_files(folder):
        if file.name in listing.records:
            listing.refuse(f"{file.name} stands in two folders: keep one.", image=file.name)
        else:
            captions = captions_of(tract, folder.name)
            listing.records[file.name] = Record(file.name, file.read_bytes, captions=captions)


def _compare(listing: Listing, table: Path) -> None:
    names = {Path(name).stem for name in listing.records}
    for line, row in read_named(table, names={"image": ("video file", "image", "filename")}):
        stem = row["image"].removesuffix(".jpg")
        if stem not in names:
            listing.refuse(
                f"{TABLE}, line {line}: there is no image “{stem}.jpg” in the folders: "
                "unpack the archive again or leave it out.",
                image=f"{stem}.jpg",
            )
