"""A reader's pages: the overview of a study, and one page for each case.

Everything is loaded through the reader. What leaves here holds tokens and letters only.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from annotation.blinding import opaque_token, presented
from annotation.models import Ranking, Reader, Reading, Score
from annotation.models.answers import NOT_APPLICABLE
from annotation.protocols import REFERENCE_LETTER, Criterion
from annotation.readings import (
    AnswerError,
    reading_state,
    reading_states,
    save_ranking,
    save_score,
    see_references,
    submit_reading,
)
from generation.permissions import Request

USUAL_TIME = timedelta(minutes=3)  # for a case, until this reader's own times are known
LONGEST_TIME = timedelta(minutes=15)  # beyond it somebody left the room


@never_cache  # Back shows what is stored, and nothing once the reader has signed out
@require_safe
def reader_study(request: Request, slug: str) -> HttpResponse:
    """What the study asks, how far the reader is, and where to go on."""
    readings = _readings(request, slug)
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
    reading = _load(request, slug, position)
    readings = _readings(request, slug)
    study = reading.reader.study
    state = reading_state(reading)
    images = list(reading.shown_images.order_by("position"))
    following = next((r for r in readings if r.position == position + 1), None)
    context = {
        "study": study,
        "protocol": study.protocol,
        "reading": reading,
        "prompt": reading.case.prompt.text,
        "count": len(readings),
        "minutes_left": _minutes_left(readings),
        "references": [shown.token for shown in images if shown.reading_set_id is None],
        "sets": [
            _set(reading_set, images, state, study.protocol)
            for reading_set in reading.sets.order_by("letter")
        ],
        "ranks": _ranks(state, study.protocol),
        "state": state,
        "tokens": _tokens(reading),
        "show_missing": "missing" in request.GET,
        "next_position": following and following.position,
        "next_tokens": _tokens(following),
        "reader_key": _reader_key(reading.reader),
        "server_time": _now(),
    }
    page = "reading" if reading.references_seen_at else "reading_references"
    return render(request, f"annotation/{page}.html", context)


@require_http_methods(["GET", "POST"])
def reading_references(request: Request, slug: str, position: int) -> HttpResponse:
    """The reader has seen the reference images."""
    reading = _load(request, slug, position)
    if request.method != "POST":  # back from signing in
        return redirect("annotation:reading", slug, position)
    try:
        see_references(reading)
    except AnswerError:
        return redirect("annotation:reader-study", slug)
    return redirect("annotation:reading", slug, position)


@require_POST
def reading_score(request: Request, slug: str, position: int) -> HttpResponse:
    """Save one score: letter, criterion, value, sequence."""
    reading = _load(request, slug, position)
    data = request.POST

    def save() -> Score:
        return save_score(
            reading=reading,
            letter=data.get("letter", ""),
            criterion=data.get("criterion", ""),
            value=_value(data.get("value")),
            sequence=_whole(data.get("sequence")),
        )

    return _answered(request, reading, save)


@require_POST
def reading_ranking(request: Request, slug: str, position: int) -> HttpResponse:
    """Save the ranking: tiers such as ``B|A=C``, sequence."""
    reading = _load(request, slug, position)
    data = request.POST
    tiers = [tier.split("=") for tier in data.get("tiers", "").split("|")]

    def save() -> Ranking:
        return save_ranking(reading=reading, tiers=tiers, sequence=_whole(data.get("sequence")))

    return _answered(request, reading, save)


@require_http_methods(["GET", "POST"])
def reading_submit(request: Request, slug: str, position: int) -> HttpResponse:
    """Hand the case in and go on; without JavaScript this saves what was changed in the form."""
    reading = _load(request, slug, position)
    if request.method != "POST":  # back from signing in
        return redirect("annotation:reading", slug, position)
    try:
        _save_form(request, reading)
        missing = submit_reading(reading)
    except AnswerError as error:
        context = {"error": error, "reading": reading}
        return render(request, "annotation/reading_refused.html", context, status=400)
    if missing:
        return redirect(reverse("annotation:reading", args=[slug, position]) + "?missing")
    readings = _readings(request, slug)
    open_ones = [r.position for r in readings if not r.submitted_at]
    later = [p for p in open_ones if p > position] or open_ones
    if not later:
        return redirect("annotation:reader-study", slug)
    return redirect("annotation:reading", slug, later[0])


@require_GET
def reading_image(request: Request, slug: str, position: int, token: str) -> HttpResponse:
    """An image as every arm's is presented; its token means nothing elsewhere."""
    reading = _load(request, slug, position)
    shown = get_object_or_404(reading.shown_images.select_related("image"), token=token)
    with shown.image.file.open() as file:
        data = presented(
            file.read(), size=reading.reader.study.protocol.image_size, token=shown.token
        )
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=3600"
    return response


def _readings(request: Request, slug: str) -> list[Reading]:
    return list(
        Reading.objects.for_reader(request.user)
        .filter(reader__study__slug=slug)
        .select_related("reader__study")
        .order_by("position")
    )


def _load(request: Request, slug: str, position: int) -> Reading:
    return get_object_or_404(
        Reading.objects.for_reader(request.user).select_related("reader__study", "case__prompt"),
        reader__study__slug=slug,
        position=position,
    )


def _set(reading_set, images, state: dict[str, Any], protocol) -> dict[str, Any]:
    """What the template shows of one set; ``scores`` has one row for each criterion."""
    given = state["scores"][reading_set.letter]
    return {
        "letter": reading_set.letter,
        "tokens": [shown.token for shown in images if shown.reading_set_id == reading_set.pk],
        "missing": len(protocol.criteria) - len(given),
        "rubric": [
            (criterion, given.get(criterion.key), _targets(criterion))
            for criterion in protocol.criteria
        ],
    }


def _targets(criterion: Criterion) -> list[tuple[int | str, str]]:
    """(value, label) of all that a reader may choose."""
    values = range(criterion.minimum, criterion.maximum + 1)
    targets: list[tuple[int | str, str]] = [(value, str(value)) for value in values]
    return targets + [(NOT_APPLICABLE, "not applicable")] * criterion.not_applicable


def _ranks(state: dict[str, Any], protocol) -> list[tuple[str, str, int | None]]:
    """(letter, name, rank so far) of everything that is ranked."""
    letters = sorted(state["scores"])
    names = {letter: f"Set {letter}" for letter in letters}
    if protocol.rank_references:
        names[REFERENCE_LETTER] = "References"
    ranks, rank = {}, 1
    for tier in state["ranking"] or []:
        ranks.update(dict.fromkeys(tier, rank))
        rank += len(tier)
    return [(letter, name, ranks.get(letter)) for letter, name in names.items()]


def _tokens(reading: Reading | None) -> list[str]:
    """For the browser to fetch beforehand, in an order that says nothing of the sets."""
    if reading is None:
        return []
    return sorted(reading.shown_images.values_list("token", flat=True))


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


def _reader_key(reader: Reader) -> str:
    """Ties answers that wait in a shared computer's browser to the person who gave them."""
    return opaque_token(reader.study.secret, "reader", reader.pk)


def _answered(
    request: Request, reading: Reading, save: Callable[[], Score | Ranking]
) -> HttpResponse:
    """What became of an answer; ``current`` is false if a newer one was given elsewhere."""
    key = request.POST.get("reader", "")
    if not constant_time_compare(key, _reader_key(reading.reader)):
        error = "This answer was given by somebody else: sign in as that person."
        return JsonResponse({"error": error}, status=409)
    try:
        row = save()
    except AnswerError as error:
        return JsonResponse({"error": str(error)}, status=400)
    current = type(row).objects.current().filter(pk=row.pk).exists()
    return JsonResponse({"saved": True, "current": current})


def _save_form(request: Request, reading: Reading) -> None:
    """Save what was changed in the form since it was shown.

    What stands in it unchanged may be older than what is stored, and is left alone.

    Raises:
        AnswerError: for all answers that can't be taken at once; the others are saved.
    """
    protocol = reading.reader.study.protocol
    state = reading_state(reading)
    sequence = max(_now(), state["sequence"] + 1)
    ranked = [letter for letter, _, _ in _ranks(state, protocol)]
    errors: list[str] = []
    for letter in sorted(state["scores"]):
        for criterion in protocol.criteria:
            field = f"score-{letter}-{criterion.key}"
            if _changed(request, field):
                try:
                    save_score(
                        reading=reading,
                        letter=letter,
                        criterion=criterion.key,
                        value=_value(request.POST[field]),
                        sequence=sequence,
                    )
                except AnswerError as error:
                    errors.append(str(error))
    try:
        _save_form_ranking(request, reading, ranked, sequence)
    except AnswerError as error:
        errors.append(str(error))
    if errors:
        raise AnswerError(" ".join(dict.fromkeys(errors)))


def _save_form_ranking(
    request: Request, reading: Reading, letters: list[str], sequence: int
) -> None:
    """Save the form's ranking if it was changed and is complete."""
    if not any(_changed(request, f"rank-{letter}") for letter in letters):
        return
    ranked: dict[int, list[str]] = {}
    for letter in letters:
        if rank := request.POST.get(f"rank-{letter}"):
            ranked.setdefault(_whole(rank), []).append(letter)
    if sum(map(len, ranked.values())) == len(letters):
        tiers = [ranked[rank] for rank in sorted(ranked)]
        save_ranking(reading=reading, tiers=tiers, sequence=sequence)


def _changed(request: Request, field: str) -> bool:
    """Whether a field differs from what it was when the form was shown."""
    value = request.POST.get(field)
    return value is not None and value != request.POST.get(f"was-{field}")


def _value(text: str | None) -> int | None:
    return None if text == NOT_APPLICABLE else _whole(text)


def _whole(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise AnswerError(f"“{text}” is no whole number.") from None


def _now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
