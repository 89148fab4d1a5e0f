"""What an archive says of itself: README, codebook, citation."""

from collections.abc import Iterator

from django.conf import settings

from analysis.takeout.cells import Column, Row, Table, as_json, csv_bytes, text
from analysis.takeout.design import PROTOCOL, SEALED
from analysis.takeout.imrmc import COLUMNS, REAL
from analysis.takeout.leaving import Leaving

FORMAT, VERSION = "blindread-study", 1
ABOUT, SUMS = "export.json", "SHA256SUMS"
HOMEPAGE_NAME = "Blindread"
CODEBOOK = (
    text("table", "Name of the table: TABLE.csv and TABLE.parquet in data/."),
    text("column", "Name of the column; empty in the line on the table itself."),
    text("kind", "What its cells hold."),
    text("says", "What it means."),
)


def about(leaving: Leaving, *, images: bool) -> bytes:
    """What an importing Blindread looks at first."""
    said = {
        "format": FORMAT,
        "version": VERSION,
        "blindread": settings.VERSION,
        "study": leaving.study.slug,
        "images": images,
    }
    return (as_json(said, indent=2) + "\n").encode()


def codebook(tables: list[Table]) -> bytes:
    """A line for every column of every table."""
    return csv_bytes(CODEBOOK, _codebook(tables))


def _codebook(tables: list[Table]) -> Iterator[Row]:
    def line(table: str, column: Column) -> Row:
        return {"table": table, "column": column.name, "kind": column.kind, "says": column.says}

    yield from (line("codebook", column) for column in CODEBOOK)
    for table in tables:
        yield {"table": table.name, "column": "", "kind": "one row", "says": table.says}
        yield from (line(table.name, column) for column in table.columns)
    yield {
        "table": "imrmc/*",
        "column": "",
        "kind": "one row",
        "says": "A current score of a case that counts, as the iMRMC software reads it: a file for "
        f"each criterion, and {REAL} where real images are hidden among the arms.",
    }
    yield from (line("imrmc/*", column) for column in COLUMNS)


def readme(leaving: Leaving, *, images: bool) -> bytes:
    study = leaving.study
    shown = "images/            every image, under the SHA-256 of its bytes\n" if images else ""
    restoring = (
        "Another Blindread restores the study from this ZIP: Studies > Import a study, or\n"
        "manage.py import_study FILE --owner ACCOUNT.\n"
        if images
        else "It was made without images, for sharing; with them a Blindread can restore it.\n"
    )
    return f"""{study.title}

A blinded reader study of generated images, taken home from {HOMEPAGE_NAME}.

data/              tables, each as CSV and as Parquet; codebook.csv explains every column
{PROTOCOL}      what readers were asked, and the analysis that was planned
{SEALED}        what was sealed before the first reader: every image by its digest
imrmc/             scores as the iMRMC software reads them
reports/           reports with their numbers and figures; the newest with its tables
{shown}{ABOUT}        what this is, for programs
CITATION.cff       how to cite it
{SUMS}         check with: sha256sum -c {SUMS}

To begin with: data/scores.csv, rows with counted = true; data/arms.csv says what stands behind the
numbers of arms.

CSV files are UTF-8 with a head; lines end with CR LF. An empty cell means that nothing is known or
that it does not apply. Times are UTC. A text that a spreadsheet might run as a formula (one that
begins with = + - @, a tab or a line break), or that begins with an apostrophe, has an apostrophe in
front: take off the first apostrophe to get what was written. Parquet files hold texts as they are.

Readers are called R1, R2, …; no account's name or address is in here. In what people wrote, names
of the study's people and e-mail addresses are replaced by [name]. The record of acts holds
commitments in place of names, so that it can still be checked.

{restoring}""".encode()


def citation(leaving: Leaving) -> bytes:
    """CITATION.cff of the data; the authors' names are the authors' to add."""
    study = leaving.study
    ended = study.closed_at or study.unblinded_at or study.created_at
    quoted = as_json(study.title)
    generators = ", ".join(generator.name for generator in leaving.generators)
    abstract = as_json(
        f"Blinded reader study of generated medical images ({study.protocol.name}): "
        f"{study.readers.count()} readers, {sum(not case.practice for case in leaving.cases)} "
        f"cases; compared: {generators}."
    )
    return f"""cff-version: 1.2.0
message: "Add the authors, then cite this data set so."
type: dataset
title: {quoted}
authors:
  - name: "The authors of the study"
date-released: {ended:%Y-%m-%d}
identifiers:
  - type: other
    value: "sha256:{study.manifest_digest}"
    description: "Digest of what was sealed before the first reader (sealed.json)"
abstract: {abstract}
references:
  - type: software
    title: {HOMEPAGE_NAME}
    version: "{settings.VERSION}"
    authors:
      - name: "The Blindread developers"
""".encode()
