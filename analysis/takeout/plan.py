"""Tables of who reads what: readers, their readings, letters, and the images behind tokens."""

from collections.abc import Iterable

from analysis.takeout.arriving import Arriving
from analysis.takeout.cells import Row, Table, text, time, whole
from analysis.takeout.corpus import IMAGE
from analysis.takeout.design import ARM, CASE
from analysis.takeout.leaving import Leaving
from annotation.models import Reader, Reading, ReadingSet, ShownImage
from annotation.placeholders import placeholder

READER = text("reader", "Pseudonym of the reader: R1, R2, …")
POSITION = whole("position", "Place of the reading in this reader's order, from 1.")
LETTER = text("letter", "Under which the reader saw the set.")
READING = text(
    "reading", "case, repeat (tells agreement with oneself), practice or check (of attention)."
)
READER_FIELDS = ("number", "slot", "state", "invited_at", "consented_at", "consent_version",
                 "briefed_at", "finished_at", "paused_at", "reminded_at", "erased_at")  # fmt: skip


def _reader_rows(leaving: Leaving) -> Iterable[Row]:
    for reader in leaving.study.readers.order_by("number"):
        fields = {name: getattr(reader, name) for name in READER_FIELDS}
        yield {"reader": reader.pseudonym, **fields}


def _restore_readers(arriving: Arriving, rows: list[Row]) -> None:
    arriving.readers = arriving.keyed(
        Reader,
        [row.pop("reader") for row in rows],
        [
            Reader(
                study=arriving.study, user=placeholder(arriving.study.slug, row["number"]), **row
            )
            for row in rows
        ],
    )


def _reading_rows(leaving: Leaving) -> Iterable[Row]:
    found = Reading.objects.filter(reader__study=leaving.study)
    for reading in found.select_related("reader", "case").order_by("reader__number", "position"):
        yield {
            "reader": reading.reader.pseudonym,
            "position": reading.position,
            "reading": reading.kind,
            "case": reading.case.position,
            "started_at": reading.started_at,
            "references_seen_at": reading.references_seen_at,
            "submitted_at": reading.submitted_at,
        }


def _restore_readings(arriving: Arriving, rows: list[Row]) -> None:
    arriving.readings = arriving.keyed(
        Reading,
        [(row["reader"], row["position"]) for row in rows],
        [
            Reading(
                reader=arriving.readers[row["reader"]],
                position=row["position"],
                kind=row["reading"],
                case=arriving.cases[row["case"]],
                started_at=row["started_at"],
                references_seen_at=row["references_seen_at"],
                submitted_at=row["submitted_at"],
            )
            for row in rows
        ],
    )


def _letter_rows(leaving: Leaving) -> Iterable[Row]:
    found = ReadingSet.objects.filter(reading__reader__study=leaving.study)
    order = ("reading__reader__number", "reading__position", "letter")
    for reader, position, letter, case, arm in found.order_by(*order).values_list(
        *order, "case_set__case__position", "case_set__arm__position"
    ):
        yield {
            "reader": f"R{reader}",
            "position": position,
            "letter": letter,
            "case": case,
            "arm": arm,
        }


def _restore_letters(arriving: Arriving, rows: list[Row]) -> None:
    arriving.letters = arriving.keyed(
        ReadingSet,
        [(row["reader"], row["position"], row["letter"]) for row in rows],
        [
            ReadingSet(
                reading=arriving.readings[row["reader"], row["position"]],
                letter=row["letter"],
                case_set=arriving.sets[row["case"], row["arm"]],
            )
            for row in rows
        ],
    )


def _shown_rows(leaving: Leaving) -> Iterable[Row]:
    found = ShownImage.objects.filter(reading__reader__study=leaving.study)
    names = (
        "reading__reader__number", "reading__position", "reading_set__letter", "position",
        "image_id", "token",
    )  # fmt: skip
    rows = [
        {
            "reader": f"R{reader}",
            "position": position,
            "letter": letter or "",
            "place": place,
            "image": leaving.image_numbers[image],
            "token": token,
        }
        for reader, position, letter, place, image, token in found.order_by(
            "reading__reader__number", "reading__position"
        ).values_list(*names)
    ]
    # Here, not in the database: where nulls and letters stand differs between them.
    return sorted(
        rows, key=lambda row: (int(row["reader"][1:]), row["position"], row["letter"], row["place"])
    )


def _restore_shown(arriving: Arriving, rows: list[Row]) -> None:
    def shown(row: Row) -> ShownImage:
        key = (row["reader"], row["position"])
        return ShownImage(
            reading=arriving.readings[key],
            reading_set=arriving.letters[(*key, row["letter"])] if row["letter"] else None,
            position=row["place"],
            image=arriving.images[row["image"]],
            token=row["token"],
        )

    arriving.shown = arriving.keyed(
        ShownImage,
        [(row["reader"], row["position"], row["letter"], row["place"]) for row in rows],
        map(shown, rows),
    )


TABLES = [
    Table(
        "readers",
        "A reader, by pseudonym.",
        [
            READER,
            whole("number", "In order of their invitation."),
            whole("slot", "Place in the balanced plan."),
            text("state", "invited, active, finished, or revoked: what revoked ones answered "
                 "counts for nothing."),
            time("invited_at", "When they became a reader."),
            time("consented_at", "When they agreed to take part."),
            text("consent_version", "Which version of the consent text they agreed to."),
            time("briefed_at", "When they had read the guide."),
            time("finished_at", "When they said that they were through."),
            time("paused_at", "Since when their part rests, where it does."),
            time("reminded_at", "When they were last reminded."),
            time("erased_at", "When it was erased who they are."),
        ],
        _reader_rows,
        _restore_readers,
    ),
    Table(
        "readings",
        "A case as one reader read it, in the order in which they did.",
        [
            READER,
            POSITION,
            READING,
            CASE,
            time("started_at", "First answer."),
            time("references_seen_at", "When they went on from the reference images."),
            time("submitted_at", "When it was handed in; empty where it never was."),
        ],
        _reading_rows,
        _restore_readings,
    ),
    Table(
        "letters",
        "Which arm stood under which letter in a reading.",
        [READER, POSITION, LETTER, CASE, ARM],
        _letter_rows,
        _restore_letters,
    ),
    Table(
        "shown_images",
        "An image where a reader saw it.",
        [
            READER,
            POSITION,
            text("letter", "Of the set; empty for reference images."),
            whole("place", "Its place among them, from 1."),
            IMAGE,
            text("token", "By which the reader's browser asked for it."),
        ],
        _shown_rows,
        _restore_shown,
    ),
]  # fmt: skip
