"""A study as one ZIP: the same study gives the same bytes."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from analysis.takeout import TakeoutError
from analysis.takeout.cells import as_json, csv_bytes, parquet_bytes
from analysis.takeout.corpus import image_file, suffix_of
from analysis.takeout.design import PROTOCOL, SEALED
from analysis.takeout.imrmc import imrmc_files
from analysis.takeout.leaving import Leaving, check_may_leave
from analysis.takeout.reports import report_files
from analysis.takeout.tables import TABLES
from analysis.takeout.texts import ABOUT, SUMS, about, citation, codebook, readme
from annotation.models import Study
from generation.models import Image

Show = Callable[[int, int], None]
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a ZIP can hold
_PACKED = {".png", ".jpg", ".jpeg", ".webp", ".parquet", ".pdf"}  # hardly smaller when deflated


def write_study(
    study: Study, out: Path | IO[bytes], *, images: bool = True, progress: Show | None = None
) -> None:
    """Write the archive.

    Args:
        images: with the files of all images; without them the study can't be imported.
        progress: called with (files done, files in all).

    Raises:
        TakeoutError: results are hidden, or the file of an image is missing or damaged.
    """
    check_may_leave(study)
    leaving = Leaving(study)
    shown = _by_file(leaving) if images else {}
    total = len(shown) + 3 * len(TABLES)  # about as long as the tables, reports and figures take
    sums = {}
    with ZipFile(out, "w") as archive:
        for done, (name, content) in enumerate(_files(leaving, shown, images=images), 1):
            _add(archive, name, content)
            sums[name] = hashlib.sha256(content).hexdigest()
            if progress:
                progress(min(done, total), total)
        lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
        _add(archive, SUMS, "".join(lines).encode())


def _files(
    leaving: Leaving, shown: dict[str, Image], *, images: bool
) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", readme(leaving, images=images)
    yield "CITATION.cff", citation(leaving)
    yield ABOUT, about(leaving, images=images)
    yield PROTOCOL, as_json(leaving.study.protocol_data, indent=2).encode()
    yield SEALED, as_json(leaving.study.manifest, indent=2).encode()
    yield "data/codebook.csv", codebook(TABLES)
    for table in TABLES:
        rows = list(table.rows(leaving))
        yield f"data/{table.name}.csv", csv_bytes(table.columns, rows)
        yield f"data/{table.name}.parquet", parquet_bytes(table.columns, rows)
    for name, columns, rows in imrmc_files(leaving):
        yield name, csv_bytes(columns, rows)
    yield from report_files(leaving)
    for name, image in shown.items():
        yield name, _stored(image)


def _by_file(leaving: Leaving) -> dict[str, Image]:
    """Each file once, however often its image stands in the study."""
    files = {image_file(image.sha256, suffix_of(image)): image for image in leaving.images}
    return dict(sorted(files.items()))


def _stored(image: Image) -> bytes:
    try:
        with image.file.open() as file:
            content = file.read()
    except OSError as error:
        problem = f"can't be read ({error})"
    else:
        if hashlib.sha256(content).hexdigest() == image.sha256:
            return content
        problem = "is not what was stored: it is damaged or was changed"
    raise TakeoutError(
        f"The file of image {image.pk} ({image}) {problem}. Put {image.file.name} back from a "
        "backup, or export without images."
    )


def _add(archive: ZipFile, name: str, content: bytes) -> None:
    entry = ZipInfo(name, date_time=_EPOCH)
    entry.create_system = 3  # Unix, as which the next line is read
    entry.external_attr = 0o644 << 16
    packed = ZIP_STORED if Path(name).suffix in _PACKED else ZIP_DEFLATED
    archive.writestr(entry, content, packed)
