"""The audit of blinding: fetch what readers can get, as they would, and look for what tells arms.

Each reading is fetched in a transaction of its own that is rolled back, so that an audit leaves no
trace and never holds up the readers of a running study for long.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urldefrag

from django.conf import settings
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.blinding import SHORTEST_SENTINEL, find_leaks, jpeg_header
from annotation.models import Reader, ShownImage, Study
from generation.models import Image
from generation.permissions import is_researcher

_LINK = re.compile(rb"""(?:href|src|action|data-[\w-]+)=["'](/[^"'\s]*)""")
_ANSWERS = (200, 302, 405)  # 405: a link that only takes POST
_SHORTEST_NUMBER = 6  # shorter seeds would be found by chance


@dataclass(frozen=True)
class Audit:
    """What was looked at and what was found.

    Attributes:
        responses: how many responses were fetched and scanned.
        findings: what readers could see and must not; empty for a blinded study.
        not_sought: names too short to be told from chance.
    """

    responses: int
    findings: list[str]
    not_sought: list[str]


def audit_blinding(*, study: Study, readings_per_reader: int | None = None) -> Audit:
    """Fetch every page and image that each reader can get, or those of their first readings.

    The study must have been sealed and its readers planned.
    """
    sought, not_sought = _sentinels(study)
    client = _client()
    texts: list[tuple[str, bytes]] = []
    findings: list[str] = []
    images: dict[tuple[bytes, bytes], str] = {}
    for reader in study.readers.exclude(state=Reader.State.REVOKED).select_related("user", "study"):
        for address, response in _fetched(client, reader, readings_per_reader):
            where = f"{reader} {address}"
            body = response.getvalue()
            head = _head(response)
            if response.status_code not in _ANSWERS:
                findings.append(f"{where}: answers {response.status_code}, so it can't be checked")
            if response.get("Content-Type", "").startswith("image/"):
                images.setdefault((_comparable(response), jpeg_header(body)), where)
                body = jpeg_header(body)
            texts.append((where, head + b"\n\n" + body))
        findings += _open_doors(client, reader)
    findings += [str(leak) for leak in find_leaks(texts, sought)]
    if not images:
        findings.append("no image could be fetched, so none was checked")
    elif len(images) > 1:
        alike = ", ".join(list(images.values())[:2])
        findings.append(f"images are not all encoded alike: compare {alike}")
    return Audit(responses=len(texts), findings=findings, not_sought=not_sought)


def _sentinels(study: Study) -> tuple[set[str], list[str]]:
    """What would tell an arm or an image: names, addresses, digests, seeds, file names."""
    names: set[str] = set()
    numbers = {study.seed}
    for arm in study.arms.select_related("generator", "run"):
        generator = arm.generator
        names |= {generator.name, generator.slug, generator.checkpoint}
        names |= {generator.digest, generator.digest[:12]}
        numbers |= {arm.run.seed} if arm.run and arm.run.seed is not None else set()
    shown = ShownImage.objects.filter(reading__reader__study=study).values("image")
    for image in Image.objects.filter(pk__in=shown):
        names |= {image.sha256, image.sha256[:16]}
        names |= {PurePosixPath(name).stem for name in (str(image.file), image.name)}
        numbers |= {image.seed} if image.seed is not None else set()
    names.discard("")
    short = sorted(name for name in names if len(name) < SHORTEST_SENTINEL)
    digits = {str(number) for number in numbers if number >= 10 ** (_SHORTEST_NUMBER - 1)}
    return (names - set(short)) | digits, short


def _fetched(
    client: Client, reader: Reader, limit: int | None
) -> Iterator[tuple[str, HttpResponseBase]]:
    slug = reader.study.slug
    overview = reverse("annotation:reader-study", args=[slug])
    # Generators' pages are open to readers who are researchers elsewhere; arms and sets aren't.
    start, inside = [overview], overview
    if not is_researcher(reader.user):
        start, inside = [overview, reverse("home")], "/"
    yield from _visited(client, reader, start, inside=inside, outside=rf"{overview}\d+/")
    for reading in reader.readings.all()[:limit]:
        page = reverse("annotation:reading", args=[slug, reading.position])
        images = [
            reverse("annotation:reading-image", args=[slug, reading.position, token])
            for token in reading.shown_images.values_list("token", flat=True)
        ]
        yield from _visited(client, reader, [page], inside=page)
        yield from _visited(client, reader, [page, *images], inside=page, references_seen=True)


def _visited(
    client: Client,
    reader: Reader,
    start: list[str],
    *,
    inside: str = "/",
    outside: str = r"$^",
    references_seen: bool = False,
) -> list[tuple[str, HttpResponseBase]]:
    """Responses of the start addresses and of all that they link to, within bounds.

    A reading shows its references first; with `references_seen` it shows the rest.
    """
    never = (settings.STATIC_URL, reverse("logout"))
    visited: dict[str, HttpResponseBase] = {}
    with transaction.atomic():
        _enter(client, reader)
        if references_seen:
            reader.readings.update(references_seen_at=timezone.now())
        waiting = list(start)
        while waiting:
            address = waiting.pop()
            response = client.get(address)
            visited[address] = response
            if not response.get("Content-Type", "").startswith("text/html"):
                continue
            for link in _LINK.findall(response.getvalue()):
                link = urldefrag(link.decode()).url.replace("&amp;", "&")
                known = link in visited or link in waiting or link.startswith(never)
                if not known and link.startswith(inside) and not re.match(outside, link):
                    waiting.append(link)
        transaction.set_rollback(True)
    return list(visited.items())


def _open_doors(client: Client, reader: Reader) -> list[str]:
    """Researchers' pages that let this reader in."""
    doors = [reader.study.get_absolute_url()]
    generated = ShownImage.objects.filter(reading__reader=reader, reading_set__isnull=False).first()
    if generated:
        doors.append(reverse("generation:image", args=[generated.image_id]))
    with transaction.atomic():
        _enter(client, reader)
        found = [door for door in doors if client.get(door).status_code == 200]
        transaction.set_rollback(True)
    return [f"{reader} can open {door}" for door in found]


def _client() -> Client:
    hosts = [host for host in settings.ALLOWED_HOSTS if not host.startswith(("*", "."))]
    return Client(
        raise_request_exception=False,
        SERVER_NAME=hosts[0] if hosts else "localhost",
        headers={"x-forwarded-proto": "https"} if settings.HTTPS else {},
    )


def _enter(client: Client, reader: Reader) -> None:
    """Sign in, to a study that runs; undone by the caller's rollback."""
    Study.objects.filter(pk=reader.study_id, state=Study.State.SEALED).update(
        state=Study.State.RUNNING
    )
    client.cookies.clear()
    client.force_login(reader.user, backend=settings.AUTHENTICATION_BACKENDS[-1])


def _head(response: HttpResponseBase) -> bytes:
    return f"{response.serialize_headers().decode()}\n{response.cookies.output()}".encode()


def _comparable(response: HttpResponseBase) -> bytes:
    """The headers that must be the same for all images."""
    varying = {"content-length"}
    return repr(sorted((k, v) for k, v in response.items() if k.lower() not in varying)).encode()
