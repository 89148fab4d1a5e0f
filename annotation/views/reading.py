"""A reader's pages: the overview of a study, and one page for each case.

Everything is loaded through the reader. What leaves here holds tokens and letters only.
"""

import time
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from annotation.blinding import opaque_token, presented
from annotation.models import Reader, Reading, ShownImage
from annotation.models.answers import NOT_APPLICABLE
from annotation.protocols import REFERENCE_LETTER, Criterion, Protocol
from annotation.readings import AnswerError, reading_state, reading_states, see_references
from annotation.views.texts import reading_texts
from generation.permissions import Request

USUAL_TIME = timedelta(minutes=3)  # for a case, until this reader's own times are known
LONGEST_TIME = timedelta(minutes=15)  # beyond it somebody left the room


@never_cache  # Back shows what is stored, and nothing once the reader has signed out
@require_safe
def reader_study(request: Request, slug: str) -> HttpResponse:
    """What the study asks, how far the reader is, and where to go on."""
    readings = load_readings(request, slug)
    if not readings:
        closed = Reader.objects.filter(user=request.user, study__slug=slug)
        get_object_or_404(closed.exclude(state=Reader.State.REVOKED))
        return render(request, "annotation/reader_waiting.html", status=200)
    states = reading_states(readings)
    open_ones = [reading for reading in readings if not reading.submitted_at]
    context = {
        "study": readings[0].reader.study,
        "rows": [(reading, states[reading.pk]) for reading in readings],
        "first_open": open_ones[0] if open_ones else None,
        "started": any(reading.started_at for reading in readings),
        "done": len(readings) - len(open_ones),
        "minutes_left": _minutes_left(readings),
    }
    return render(request, "annotation/reader_study.html", context)


@never_cache  # Back shows what is stored, and nothing once the reader has signed out
@require_safe
def reading(request: Request, slug: str, position: int) -> HttpResponse:
    """The case: its references at first, then references, sets, rubric and ranking."""
    reading = load_reading(request, slug, position)
    readings = load_readings(request, slug)
    study = reading.reader.study
    state = reading_state(reading)
    images = list(reading.shown_images.order_by("position"))
    following = next((r for r in readings if r.position == position + 1), None)
    upcoming = next_open(readings, position) or following
    context = {
        "study": study,
        "protocol": study.protocol,
        "reading": reading,
        "prompt": reading.case.prompt.text,
        "count": len(readings),
        "minutes_left": _minutes_left(readings),
        "references": [shown.token for shown in images if shown.reading_set_id is None],
        "sets": _sets(reading, images, state),
        "ranks": ranks(state, study.protocol),
        "tiers": "|".join("=".join(tier) for tier in state["ranking"] or []),
        "state": state,
        "tokens": _tokens(reading),
        "show_missing": "missing" in request.GET,
        "next_position": following and following.position,
        "preload_position": upcoming and upcoming.position,
        "preload_tokens": _tokens(upcoming),
        "reader_key": reader_key(reading.reader),
        "server_time": now(),
        "texts": reading_texts(),
    }
    page = "reading" if reading.references_seen_at else "reading_references"
    return render(request, f"annotation/{page}.html", context)


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
    with shown.image.file.open() as file:
        data = presented(
            file.read(), size=reading.reader.study.protocol.image_size, token=shown.token
        )
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=3600"
    return response


def load_readings(request: Request, slug: str) -> list[Reading]:
    """This person's readings of a study, in their order."""
    return list(
        Reading.objects.for_reader(request.user)
        .filter(reader__study__slug=slug)
        .select_related("reader__study")
        .order_by("position")
    )


def load_reading(request: Request, slug: str, position: int) -> Reading:
    """This person's reading at a position; 404 where there is none."""
    return get_object_or_404(
        Reading.objects.for_reader(request.user).select_related("reader__study", "case__prompt"),
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


def _sets(
    reading: Reading, images: list[ShownImage], state: dict[str, Any]
) -> list[dict[str, Any]]:
    """What the template shows of each set; ``rubric`` has one row for each criterion."""
    sets = list(reading.sets.order_by("letter"))
    letters = [reading_set.letter for reading_set in sets]
    return [
        {
            "letter": reading_set.letter,
            "next": following,
            "tokens": [shown.token for shown in images if shown.reading_set_id == reading_set.pk],
            "rubric": [
                (asked, state["scores"][reading_set.letter].get(asked.key), _targets(asked))
                for asked in reading.reader.study.protocol.criteria
            ],
        }
        for reading_set, following in zip(sets, [*letters[1:], None], strict=True)
    ]


def _targets(criterion: Criterion) -> list[tuple[int | str, str]]:
    """(value, label) of all that a reader may choose."""
    values = range(criterion.minimum, criterion.maximum + 1)
    targets: list[tuple[int | str, str]] = [(value, str(value)) for value in values]
    return targets + [(NOT_APPLICABLE, _("not applicable"))] * criterion.not_applicable


def _tokens(reading: Reading | None) -> list[str]:
    """For the browser to fetch beforehand, in an order that says nothing of the sets."""
    if reading is None:
        return []
    shown = reading.shown_images.values_list("reading_set", "token")
    return [row[1] for row in sorted(shown, key=lambda row: (row[0] is not None, row[1]))]


def _minutes_left(readings: list[Reading]) -> int:
    """From this reader's mean time per case so far."""
    times = [
        min(r.submitted_at - r.started_at, LONGEST_TIME)
        for r in readings
        if r.submitted_at and r.started_at
    ]
    mean = sum(times, timedelta()) / len(times) if times else USUAL_TIME
    left = mean * sum(not r.submitted_at for r in readings)
    return max(1, round(left.total_seconds() / 60))
