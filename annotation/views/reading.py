"""A reader's pages of the cases, one for each.

Everything is loaded through the reader. What leaves here holds tokens and letters only.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from annotation.blinding import opaque_token, presented
from annotation.consent import consent_first
from annotation.errors import AnswerError
from annotation.models import Comment, Flag, Reader, Reading, Study
from annotation.models.answers import NOT_APPLICABLE
from annotation.pace import minutes_left
from annotation.protocols import REFERENCE_LETTER, Criterion, Kind, Protocol
from annotation.readings import reading_state, see_references
from annotation.views.texts import flag_reasons, reading_texts
from generation.models import Image
from generation.permissions import Request

COLUMNS = [(1, 1), (4, 2), (6, 3), (12, 4), (20, 5), (24, 6)]  # images at most, columns of a grid
Tokens = dict[str, list[str]]  # of the images of each set, by its letter
REFERENCES = ""  # where a letter stands else


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the page of a case shows, whoever looks: its reader, or a researcher beforehand.

    ``at`` is what the names of its addresses begin with; ``given`` is what `marks` returns, and
    ``state`` what `reading_state` does, or None as long as the references were not seen.
    ``following`` is the position of the next case, ``upcoming`` where to go on and what is there.
    """

    at: str
    study: Study
    position: int
    kind: str
    prompt: str
    count: int
    minutes_left: int
    tokens: Tokens
    reader_key: str
    given: dict[str, Any]
    state: dict[str, Any] | None
    following: int | None
    upcoming: tuple[int, Tokens] | None


@never_cache  # Back shows what is stored, and nothing once the reader has signed out
@require_safe
@consent_first
def reading(request: Request, slug: str, position: int) -> HttpResponse:
    """The case: its references at first, then references, sets, rubric and ranking."""
    reading = load_reading(request, slug, position)
    readings = load_readings(request, slug)
    following = next((r for r in readings if r.position == position + 1), None)
    upcoming = next_open(readings, position) or following
    tokens = _tokens(reading)
    first_look = bool(tokens[REFERENCES]) and not reading.references_seen_at
    shown = Shown(
        at="annotation:reading",
        study=reading.reader.study,
        position=position,
        kind=reading.kind,
        prompt=reading.case.prompt.text,
        count=len(readings),
        minutes_left=minutes_left(readings),
        tokens=tokens,
        reader_key=reader_key(reading.reader),
        given=marks(reading),
        state=None if first_look else reading_state(reading),
        following=following.position if following else None,
        upcoming=(upcoming.position, _tokens(upcoming)) if upcoming and not first_look else None,
    )
    return show(request, shown)


def show(request: Request, shown: Shown) -> HttpResponse:
    """The page of the references, or once they have been seen, that of the case."""
    protocol = shown.study.protocol.in_language(get_language() or "")
    references = _images(shown.tokens[REFERENCES], _("Reference"), shown.given["flags"], many=False)
    context = {
        "at": shown.at,
        "study": shown.study,
        "protocol": protocol,
        "reading": shown,
        "prompt": shown.prompt,
        "count": shown.count,
        "minutes_left": shown.minutes_left,
        "references": references,
        "reader_key": shown.reader_key,
        "server_time": now(),
        "texts": reading_texts(),
    }
    if shown.state is None:
        context |= {"tokens": _to_fetch(shown.tokens), "sequence": 0}
        return render(request, "annotation/reading_references.html", context)
    context |= _case(shown, protocol, shown.state)
    context["show_missing"] = "missing" in request.GET
    return render(request, "annotation/reading.html", context)


def _case(shown: Shown, protocol: Protocol, state: dict[str, Any]) -> dict[str, Any]:
    """What the page of a case shows beside what that of its references shows."""
    return {
        "sets": _sets(shown, protocol, state["scores"]),
        "ranks": ranks(state, protocol) if protocol.ranking else [],
        "tiers": "|".join("=".join(tier) for tier in state["ranking"] or []),
        "reasons": flag_reasons(),
        "state": state,
        "sequence": max(state["sequence"], shown.given["sequence"]),
        "next_position": shown.following,
        "preload_position": shown.upcoming and shown.upcoming[0],
        "preload_tokens": _to_fetch(shown.upcoming[1]) if shown.upcoming else [],
    }


@require_http_methods(["GET", "POST"])
def reading_references(request: Request, slug: str, position: int) -> HttpResponse:
    """The reader has seen the reference images."""
    reading = load_reading(request, slug, position)
    if request.method != "POST":  # back from signing in
        return redirect("annotation:reading", slug, position)
    try:
        see_references(reading)
    except AnswerError:
        return redirect("annotation:reader-study", slug)
    return redirect("annotation:reading", slug, position)


@require_GET
def reading_image(request: Request, slug: str, position: int, token: str) -> HttpResponse:
    """An image as every arm's is presented; its token means nothing elsewhere."""
    reading = load_reading(request, slug, position)
    shown = get_object_or_404(reading.shown_images.select_related("image"), token=token)
    return present(shown.image, reading.reader.study, token)


def present(image: Image, study: Study, token: str) -> HttpResponse:
    """The image as readers of the study get it."""
    with image.file.open() as file:
        data = presented(file.read(), size=study.protocol.image_size, token=token)
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=3600"
    return response


def load_readings(request: Request, slug: str) -> list[Reading]:
    """This person's readings of a study, in their order; they share one reader and study."""
    readings = list(
        Reading.objects.for_reader(request.user)
        .filter(reader__study__slug=slug)
        .order_by("position")
    )
    if readings:  # once: the study's protocol is long, and would be parsed for each row
        whose = Reader.objects.select_related("study").defer("study__manifest")
        reader = whose.get(pk=readings[0].reader_id)
        for reading in readings:
            reading.reader = reader
    return readings


def load_reading(request: Request, slug: str, position: int) -> Reading:
    """This person's reading at a position; 404 where there is none."""
    return get_object_or_404(
        Reading.objects.for_reader(request.user)
        .select_related("reader__study", "case__prompt")
        .defer("reader__study__manifest"),
        reader__study__slug=slug,
        position=position,
    )


def next_open(readings: list[Reading], position: int) -> Reading | None:
    """The reading to go on with after this position: the next open one, else the first."""
    open_ones = [r for r in readings if not r.submitted_at and r.position != position]
    return next((r for r in open_ones if r.position > position), next(iter(open_ones), None))


def ranks(state: dict[str, Any], protocol: Protocol) -> list[tuple[str, str, int | None]]:
    """(letter, name, rank so far) of everything that is ranked."""
    letters = sorted(state["scores"])
    names = {letter: _("Set {letter}").format(letter=letter) for letter in letters}
    if protocol.rank_references:
        names[REFERENCE_LETTER] = _("References")
    given, rank = {}, 1
    for tier in state["ranking"] or []:
        given.update(dict.fromkeys(tier, rank))
        rank += len(tier)
    return [(letter, name, given.get(letter)) for letter, name in names.items()]


def reader_key(reader: Reader) -> str:
    """Ties answers that wait in a shared computer's browser to the person who gave them."""
    return opaque_token(reader.study.secret, "reader", reader.pk)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def marks(reading: Reading) -> dict[str, Any]:
    """What is given beside the scores: ``flags`` by token, ``comments`` by letter, and the highest
    ``sequence`` of them, or 0."""
    flags = Flag.objects.current().filter(shown_image__reading=reading)
    comments = Comment.objects.current().filter(reading_set__reading=reading)
    flagged = list(flags.values_list("shown_image__token", "reason", "sequence"))
    commented = list(comments.values_list("reading_set__letter", "text", "sequence"))
    return {
        "flags": {token: reason for token, reason, *_ in flagged},
        "comments": {letter: text for letter, text, *_ in commented},
        "sequence": max((row[2] for row in flagged + commented), default=0),
    }


def _images(
    tokens: Sequence[str], name: str, flags: dict[str, str], *, many: bool
) -> list[dict[str, str]]:
    """Token, text and flag of images; `many` of them may stand under the name of a set."""
    numbered = _("{name}, image {n}") if many else "{name} {n}"
    alone = many and len(tokens) == 1
    return [
        {
            "token": token,
            "alt": name if alone else numbered.format(name=name, n=n),
            "flag": flags.get(token, ""),
        }
        for n, token in enumerate(tokens, 1)
    ]


def _sets(
    shown: Shown, protocol: Protocol, given: dict[str, dict[str, int | str]]
) -> list[dict[str, Any]]:
    """What the template shows of each set; ``rubric`` has one row for each criterion."""
    letters = sorted(given)
    rows = []
    for letter, following in zip(letters, [*letters[1:], None], strict=True):
        name = _set_name(letters, protocol, letter)
        scores = given[letter]
        rubric = [
            {"asked": asked, "given": scores.get(asked.key), "targets": _targets(asked)}
            for asked in protocol.criteria
        ]
        rows.append(
            {
                "letter": letter,
                "name": name,
                "next": following,
                "images": _images(shown.tokens[letter], name, shown.given["flags"], many=True),
                "columns": _columns(protocol.images_per_set),
                "comment": shown.given["comments"].get(letter, ""),
                "rubric": rubric,
            }
        )
    return rows


def _set_name(letters: list[str], protocol: Protocol, letter: str) -> str:
    if len(letters) > 1:
        return _("Set {letter}").format(letter=letter)
    return _("The image") if protocol.images_per_set == 1 else _("The images")


def _columns(images: int) -> int:
    """Of a grid that is a little wider than high."""
    return next(columns for most, columns in COLUMNS if images <= most)


def _targets(criterion: Criterion) -> list[tuple[int | str, str]]:
    """(value, label) of all that a reader may choose; none where words are asked for."""
    targets: list[tuple[int | str, str]] = [(value, str(value)) for value in criterion.values]
    if criterion.kind == Kind.YES_NO:
        targets = [(1, _("Yes")), (0, _("No"))]
    return targets + [(NOT_APPLICABLE, _("not applicable"))] * criterion.not_applicable


def _tokens(reading: Reading) -> Tokens:
    """In the order of this reading."""
    found: Tokens = {REFERENCES: []}
    shown = reading.shown_images.order_by("position")
    for letter, token in shown.values_list("reading_set__letter", "token"):
        found.setdefault(letter or REFERENCES, []).append(token)
    return found


def _to_fetch(tokens: Tokens) -> list[str]:
    """For the browser to fetch beforehand, in an order that says nothing of the sets."""
    sets = (token for letter, group in tokens.items() if letter != REFERENCES for token in group)
    return [*sorted(tokens[REFERENCES]), *sorted(sets)]
