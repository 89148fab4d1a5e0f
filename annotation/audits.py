"""The audit of blinding: fetch what readers can get, as they would, and look for what tells arms.

What the audit can't find is said in docs/blinding.md.
"""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from django.contrib.auth.models import User

from annotation.blinding import (
    SHORTEST_SENTINEL,
    Leak,
    PresentationError,
    find_leaks,
    jpeg_header,
    presented,
)
from annotation.fetching import Browser, Fetched, Visit, image_addresses
from annotation.linking import Link, SeenImage, SeenSet, attack, traces_of
from annotation.manifest import still_as_sealed
from annotation.models import Reader, Reading, ShownImage, Study
from annotation.steps import record
from generation.models import Image

Progress = Callable[[int, int], None]  # readings fetched, and to fetch
READINGS_AT_ONCE = 8  # what a person can wait for
_ANSWERS = (200, 302, 400, 405, 409)  # what a page, a link or an answer may be answered
_SHORTEST_NUMBER = 6  # shorter seeds would be found by chance
_TELLTALES = ("etag", "last-modified", "content-disposition", "server-timing")


@dataclass(frozen=True)
class Audit:
    """What was looked at and what was found.

    Attributes:
        readers: whose responses were fetched; those whose part was revoked get none.
        readings: how many of their readings were fetched.
        planned: how many readings they have.
        fetched: how many responses, by kind: pages, images, answers and others.
        sought: how many names were sought in every response, by kind.
        not_sought: names too short to be told from chance.
        findings: what readers could see and must not; empty for a blinded study.
        links: how well sets can be linked to arms by what is not in the pixels; empty where there
            are too few cases to try.
        manifest: digest of the sealed manifest.
        seconds: how long it took.
    """

    readers: int
    readings: int
    planned: int
    fetched: dict[str, int]
    sought: dict[str, int]
    not_sought: list[str]
    findings: list[str]
    links: list[Link]
    manifest: str
    seconds: float

    @property
    def responses(self) -> int:
        return sum(self.fetched.values())

    @property
    def verdict(self) -> str:
        found = len(self.findings)
        what = f"{found} finding{'s' * (found > 1)}" if found else "nothing found"
        return f"{what} in {self.responses} responses of {self.readings} of {self.planned} readings"

    def to_dict(self) -> dict[str, Any]:
        """As JSON data, for the study's record."""
        return {**asdict(self), "responses": self.responses, "verdict": self.verdict}


def audit_blinding(
    *, study: Study, readings_per_reader: int | None = None, progress: Progress | None = None
) -> Audit:
    """Fetch every page and image that each reader can get, or those of their first readings.

    The study must have been sealed and its readers planned.
    """
    began = time.monotonic()
    sought, not_sought = _sentinels(study)
    look = Look(study, readings_per_reader, progress)
    leaks = find_leaks(look.texts(), {name for names in sought.values() for name in names})
    links = attack(look.sets)
    findings = [*_grouped(leaks), *look.findings, *look.unlike(), *map(_told, links)]
    if not still_as_sealed(study):
        findings.insert(0, "prompts, images or generators have changed since sealing")
    return Audit(
        readers=len(look.readers),
        readings=look.readings,
        planned=Reading.objects.filter(reader__in=look.readers).count(),
        fetched=dict(look.fetched),
        sought={kind: len(names) for kind, names in sought.items()},
        not_sought=not_sought,
        findings=[finding for finding in findings if finding],
        links=links,
        manifest=study.manifest_digest,
        seconds=round(time.monotonic() - began, 1),
    )


def record_audit(
    *,
    study: Study,
    by: User,
    readings_per_reader: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit, and keep the result with the study's record."""
    audit = audit_blinding(study=study, readings_per_reader=readings_per_reader, progress=progress)
    record(study, "audit", by, **audit.to_dict())
    return audit


def readings_at_once(study: Study) -> int:
    """How many readings of each reader a person can wait for."""
    readers = study.readers.exclude(state=Reader.State.REVOKED).count()
    return max(1, READINGS_AT_ONCE // max(1, readers))


class Look:
    """What was seen on the way through all responses."""

    def __init__(self, study: Study, limit: int | None, progress: Progress | None) -> None:
        self.study, self._limit, self._progress = study, limit, progress
        self.readers = list(
            study.readers.exclude(state=Reader.State.REVOKED).select_related("user", "study")
        )
        self.readings = 0
        self._total = sum(reader.readings.all()[:limit].count() for reader in self.readers)
        self.fetched: Counter[str] = Counter(pages=0, images=0, answers=0, others=0)
        self.findings: list[str] = []
        self.sets: list[SeenSet] = []
        self._containers: dict[tuple[bytes, bytes], str] = {}  # and where each was seen first
        self._bodies: dict[bytes, str] = {}  # by digest; and where each was seen first
        self._unlike: list[str] = []

    def texts(self) -> Iterator[tuple[str, bytes]]:
        """All that was fetched, but for the images' pixels, and where."""
        self._show()
        for reader in self.readers:
            browser = Browser(reader)
            for fetched in browser.overview():
                yield self._seen(reader, fetched)
            for reading in reader.readings.select_related("reader__study")[: self._limit]:
                self.readings += 1
                visit = browser.reading(reading)
                for fetched in (*visit.before, *visit.after):
                    yield self._seen(reader, fetched)
                sets, unlike = measured(reading, visit)
                self.sets += sets
                self._unlike += unlike
                self._show()
            self.findings += [f"{reader} can open {door}" for door in browser.open_doors()]

    def _show(self) -> None:
        if self._progress:
            self._progress(self.readings, self._total)

    def unlike(self) -> list[str]:
        """What is wrong with the images as a whole."""
        found = []
        if not self._containers:
            found.append("no image could be fetched, so none was checked")
        if len(self._containers) > 1:
            places = list(self._containers.values())[:2]
            found.append(f"images are not all encoded alike: compare {', '.join(places)}")
        if self._unlike:
            found.append(
                f"{len(self._unlike)} images are not what their sealed files give, for example "
                f"{self._unlike[0]}"
            )
        return found

    def _seen(self, reader: Reader, fetched: Fetched) -> tuple[str, bytes]:
        where = f"{reader} {fetched.address}"
        if fetched.status not in _ANSWERS:
            self.findings.append(f"{where}: answers {fetched.status}, so it can't be checked")
        body = fetched.body
        if fetched.is_image:
            self._see_image(where, fetched)
            body = jpeg_header(body)
        kind = "images" if fetched.is_image else "pages" if fetched.is_page else "others"
        self.fetched["answers" if fetched.method == "POST" else kind] += 1
        return where, b"\n".join([fetched.address.encode(), fetched.head, body])

    def _see_image(self, where: str, fetched: Fetched) -> None:
        self._containers.setdefault((fetched.fixed_head, jpeg_header(fetched.body)), where)
        head = fetched.head.lower()
        telltales = [name for name in _TELLTALES if f"\n{name}:".encode() in b"\n" + head]
        if telltales or b"cache-control: private" not in head:
            wrong = ", ".join(telltales) or "no Cache-Control: private"
            self.findings.append(f"{where}: an image's headers have {wrong}")
        digest = hashlib.sha256(fetched.body).digest()
        first = self._bodies.setdefault(digest, where)
        if first != where:
            self.findings.append(f"{where}: the same bytes as {first}, which links them")


def measured(reading: Reading, visit: Visit) -> tuple[list[SeenSet], list[str]]:
    """The traces of each set, and the images that are not, byte for byte, what the sealed file
    gives under their token."""
    size = reading.reader.study.protocol.image_size
    responses = {f.address: f for f in (*visit.before, *visit.after) if f.is_image}
    letters: dict[str, list[SeenImage]] = defaultdict(list)
    arms: dict[str, int] = {}
    unlike = []
    for address, shown in image_addresses(reading).items():
        if address not in responses:
            continue
        fetched, expected = responses[address], _expected(shown, size)
        if fetched.body != expected:
            unlike.append(f"{reading.reader} {address}")
        if shown.reading_set:
            letter = shown.reading_set.letter
            arms[letter] = shown.reading_set.case_set.arm_id
            letters[letter].append(
                SeenImage(address, shown.token, fetched.fixed_head, fetched.body, len(expected))
            )
    traces = traces_of(letters, before=_text(visit.before), page=_text(visit.after))
    sets = [
        SeenSet(letter, reading.case_id, arms[letter], traces[letter]) for letter in sorted(traces)
    ]
    return sets, unlike


def _expected(shown: ShownImage, size: int) -> bytes:
    """What the sealed file gives; nothing where it is gone or has changed."""
    try:
        with shown.image.file.open() as file:
            stored = file.read()
        if hashlib.sha256(stored).hexdigest() == shown.image.sha256:
            return presented(stored, size=size, token=shown.token)
    except (OSError, PresentationError):
        pass
    return b""


def _text(visited: Iterable[Fetched]) -> str:
    return "\n".join(f.body.decode(errors="replace") for f in visited if f.is_page)


def _grouped(leaks: Iterable[Leak]) -> Iterator[str]:
    """Each sentinel once, with the place where it was found first."""
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for leak in leaks:
        places[leak.sentinel, leak.form].append(leak.where)
    for (sentinel, form), where in places.items():
        more = f", and in {len(where) - 1} more responses" if len(where) > 1 else ""
        yield f"{Leak(where[0], sentinel, form)}{more}"


def _told(link: Link) -> str:
    if not link.tells:
        return ""
    return (
        f"arms can be told by {link.trace}: {link.accuracy:.0%} of the sets are linked to their "
        f"arm, {link.chance:.0%} would be by chance (p {link.p:.4f})"
    )


def _sentinels(study: Study) -> tuple[dict[str, set[str]], list[str]]:
    """What would tell an arm or an image, by kind, and what is too short to be sought."""
    names: set[str] = set()
    digests: set[str] = {study.secret}
    numbers = {study.seed}
    for arm in study.arms.select_related("generator", "run"):
        generator = arm.generator
        if generator:
            names |= {generator.name, generator.slug, generator.checkpoint}
            digests |= {generator.digest, generator.digest[:12]}
        numbers |= {arm.run.seed} if arm.run and arm.run.seed is not None else set()
    files: set[str] = set()
    shown = ShownImage.objects.filter(reading__reader__study=study).values("image")
    for image in Image.objects.filter(pk__in=shown):
        digests |= {image.sha256, image.sha256[:16]}
        files |= {PurePosixPath(name).stem for name in (str(image.file), image.name)}
        numbers |= {image.seed} if image.seed is not None else set()
    sought = {
        "names, addresses and checkpoints of generators": names,
        "names of image files": files - digests,
        "digests of checkpoints and images, and the study's secret": digests,
        "seeds": {str(number) for number in numbers},
    }
    short = []
    for kind, found in sought.items():
        least = _SHORTEST_NUMBER if kind == "seeds" else SHORTEST_SENTINEL
        short += sorted(name for name in found if 0 < len(name) < least)
        sought[kind] = {name for name in found if len(name) >= least}
    return sought, short
