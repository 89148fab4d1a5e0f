"""What a reader's browser can get, fetched as it would, with nothing left behind.

Each visit is a transaction of its own that is rolled back, so that it leaves no trace and never
holds up the readers of a running study for long.
"""

import re
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urldefrag

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import Reader, Reading, ShownImage, Study
from annotation.protocols import REFERENCE_LETTER
from annotation.refusals import AUDIT
from generation.permissions import is_researcher

_ENVIRONMENT: dict[str, Any] = {AUDIT: "1"}
_LINK = re.compile(rb"""(?:href|src|action|data-[\w-]+)=["'](/[^"'\s]*)""")
_FORM = re.compile(rb"""<form[^>]*method=["']post["'][^>]*action=["'](/[^"']*)""")
_READER_KEY = re.compile(rb'data-reader="([^"]+)"')


@dataclass(frozen=True)
class Fetched:
    """One response; ``head`` holds its headers and cookies, one a line."""

    method: str
    address: str
    status: int
    content_type: str
    head: bytes
    body: bytes

    @property
    def is_image(self) -> bool:
        return self.content_type.startswith("image/")

    @property
    def is_page(self) -> bool:
        return self.content_type.startswith("text/html")

    @property
    def location(self) -> bytes:
        """Where it leads to; empty if nowhere."""
        found = re.search(rb"^location: (/.*)$", self.head, re.IGNORECASE | re.MULTILINE)
        return found[1] if found else b""

    @property
    def fixed_head(self) -> bytes:
        """The head but for the length of the body."""
        lines = self.head.split(b"\n")
        return b"\n".join(sorted(x for x in lines if not x.lower().startswith(b"content-length:")))


@dataclass(frozen=True)
class Visit:
    """All that a reading gives: before its references were seen, and then with its sets."""

    before: list[Fetched]
    after: list[Fetched]


class Browser:
    """A reader's browser; their study is entered as if it ran, and they had consented."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        hosts = [host for host in settings.ALLOWED_HOSTS if not host.startswith(("*", "."))]
        self._client = Client(
            raise_request_exception=False,
            SERVER_NAME=hosts[0] if hosts else "localhost",
            headers={"x-forwarded-proto": "https"} if settings.HTTPS else {},
            **_ENVIRONMENT,
        )

    def overview(self) -> list[Fetched]:
        """The pages around the readings: before consent, after it, and with all handed in."""
        overview = reverse("annotation:reader-study", args=[self.reader.study.slug])
        outside = rf"{overview}\d+/"
        # Generators' pages are open to readers who are researchers elsewhere; arms and sets aren't.
        start, inside = [overview], overview
        if not is_researcher(self.reader.user):
            start, inside = [overview, reverse("home")], "/"
        found = []
        for stage in ("asked", "reading", "done"):
            with self._entered(consented=stage != "asked"):
                if stage == "done":
                    now = timezone.now()
                    self.reader.readings.update(started_at=now, submitted_at=now)
                found += self._crawled(start, inside=inside, outside=outside)
        return found

    def reading(self, reading: Reading) -> Visit:
        """A reading's pages and images, and what answers to it are answered."""
        page = reverse("annotation:reading", args=[self.reader.study.slug, reading.position])
        with self._entered():
            before = self._crawled([page], inside=page)
        images = {fetched.address for fetched in before if fetched.is_image}
        with self._entered():
            self.reader.readings.update(references_seen_at=timezone.now())
            start = [page, *image_addresses(reading)]
            after = self._crawled(start, inside=page, known=images)
            after += self._answered(reading, [*before, *after], inside=page)
            after.append(self._fetch(page))
        return Visit(before, after)

    def open_doors(self) -> list[str]:
        """Researchers' pages that let this reader in."""
        doors = [self.reader.study.get_absolute_url()]
        shown = ShownImage.objects.filter(reading__reader=self.reader, reading_set__isnull=False)
        if generated := shown.filter(image__kind="generated").first():
            doors.append(reverse("generation:image", args=[generated.image_id]))
        with self._entered():
            return [door for door in doors if self._client.get(door).status_code == 200]

    @contextmanager
    def _entered(self, *, consented: bool = True):
        now = timezone.now()
        with transaction.atomic():
            Study.objects.filter(pk=self.reader.study_id, state=Study.State.SEALED).update(
                state=Study.State.RUNNING
            )
            if consented:
                Reader.objects.filter(pk=self.reader.pk).update(consented_at=now, briefed_at=now)
            self._sign_in()
            yield
            transaction.set_rollback(True)

    def _sign_in(self) -> None:
        """Without the records and signals of a sign-in: it was not the reader's."""
        session = import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY] = str(self.reader.user_id)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        session[HASH_SESSION_KEY] = self.reader.user.get_session_auth_hash()
        session.save()
        self._client.cookies.clear()
        self._client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

    def _crawled(
        self,
        start: Iterable[str],
        *,
        inside: str = "/",
        outside: str = r"$^",
        known: Iterable[str] = (),
    ) -> list[Fetched]:
        """The start addresses and all that they link to, within bounds and not known yet."""
        never = (settings.STATIC_URL, reverse("logout"))
        seen = set(known)
        waiting = list(start)
        visited: list[Fetched] = []
        while waiting:
            address = waiting.pop()
            if address in seen:
                continue
            seen.add(address)
            fetched = self._fetch(address)
            visited.append(fetched)
            links = [fetched.location] if fetched.location else []
            links += _LINK.findall(fetched.body) if fetched.is_page else []
            for found in links:
                link = urldefrag(found.decode()).url.replace("&amp;", "&")
                if not link.startswith(never) and link.startswith(inside):
                    waiting += [] if re.match(outside, link) else [link]
        return visited

    def _answered(self, reading: Reading, visited: list[Fetched], *, inside: str) -> list[Fetched]:
        """Answer for every letter wherever answers are taken, then send the page's forms."""
        protocol = self.reader.study.protocol
        letters = sorted(reading.sets.values_list("letter", flat=True))
        ranked = [*letters, *([REFERENCE_LETTER] if protocol.rank_references else [])]
        keys = [key for fetched in visited for key in _READER_KEY.findall(fetched.body)]
        form = {
            f"score-{letter}-{criterion.key}": str(criterion.minimum)
            for letter in letters
            for criterion in protocol.criteria
        } | {f"rank-{letter}": str(rank) for rank, letter in enumerate(ranked, 1)}
        takers = sorted(fetched.address for fetched in visited if fetched.status == 405)
        answers = []
        for place, letter in enumerate(letters, 1):
            shown = reading.shown_images.filter(reading_set__letter=letter).first()
            answer = {
                "letter": letter,
                "criterion": protocol.criteria[0].key,
                "value": str(protocol.criteria[0].minimum),
                "tiers": "|".join(ranked),
                "token": shown.token if shown else "",
                "reason": "other",
                "acts": "[]",
                "reader": keys[0].decode() if keys else "",
                "sequence": str(time.time_ns() // 1_000_000 + place),
            }
            answers += [self._fetch(address, answer) for address in takers]
            if place == 1:  # where a text is sent, no value counts
                text = {"text": "An answer"}
                answers += [self._fetch(address, answer | text) for address in takers]
        actions = {action for fetched in visited for action in _FORM.findall(fetched.body)}
        forms = sorted(action.decode() for action in actions)
        return answers + [self._fetch(a, form) for a in forms if a.startswith(inside)]

    def _fetch(self, address: str, data: dict[str, str] | None = None) -> Fetched:
        response = self._client.get(address) if data is None else self._client.post(address, data)
        return Fetched(
            method="GET" if data is None else "POST",
            address=address,
            status=response.status_code,
            content_type=response.get("Content-Type", ""),
            head=_head(response),
            body=response.getvalue(),
        )


def image_addresses(reading: Reading) -> dict[str, ShownImage]:
    """The reading's images, references too, by the addresses that its reader gets them from."""
    slug = reading.reader.study.slug
    return {
        reverse("annotation:reading-image", args=[slug, reading.position, shown.token]): shown
        for shown in reading.shown_images.select_related("image", "reading_set__case_set")
    }


def _head(response: HttpResponseBase) -> bytes:
    cookies = response.cookies.output(header="Set-Cookie:", sep="\n")
    return f"{response.serialize_headers().decode()}\n{cookies}".replace("\r\n", "\n").encode()
