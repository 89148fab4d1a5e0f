"""What a reader gives: scores, rankings and whole cases, all loaded through the reader."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from annotation.errors import AnswerError
from annotation.models import Comment, Flag, Ranking, Reading, Score
from annotation.models.answers import NOT_APPLICABLE
from annotation.protocols import Criterion, Kind
from annotation.readings import (
    reading_state,
    record_activity,
    save_comment,
    save_flag,
    save_ranking,
    save_score,
    submit_reading,
)
from annotation.views.reading import (
    load_reading,
    load_readings,
    marks,
    next_open,
    now,
    ranks,
    reader_key,
)
from generation.permissions import Request

MOST_ACTS = 200  # of activity in a request


@require_POST
def reading_score(request: Request, slug: str, position: int) -> HttpResponse:
    """Save one score: letter, criterion, value or text, sequence."""
    reading = load_reading(request, slug, position)
    data = request.POST

    def save() -> Score:
        return save_score(
            reading=reading,
            letter=data.get("letter", ""),
            criterion=data.get("criterion", ""),
            value=None if "text" in data else _value(data.get("value")),
            text=data.get("text", ""),
            sequence=_whole(data.get("sequence")),
        )

    return _answered(request, reading, save)


@require_POST
def reading_ranking(request: Request, slug: str, position: int) -> HttpResponse:
    """Save the ranking: tiers such as ``B|A=C``, sequence."""
    reading = load_reading(request, slug, position)
    data = request.POST
    tiers = [tier.split("=") for tier in data.get("tiers", "").split("|")]

    def save() -> Ranking:
        return save_ranking(reading=reading, tiers=tiers, sequence=_whole(data.get("sequence")))

    return _answered(request, reading, save)


@require_POST
def reading_comment(request: Request, slug: str, position: int) -> HttpResponse:
    """Save the comment on a set: letter, text, sequence."""
    reading = load_reading(request, slug, position)
    data = request.POST

    def save() -> Comment:
        return save_comment(
            reading=reading,
            letter=data.get("letter", ""),
            text=data.get("text", ""),
            sequence=_whole(data.get("sequence")),
        )

    return _answered(request, reading, save)


@require_POST
def reading_flag(request: Request, slug: str, position: int) -> HttpResponse:
    """Save the flag on an image: token, reason, sequence."""
    reading = load_reading(request, slug, position)
    data = request.POST

    def save() -> Flag:
        return save_flag(
            reading=reading,
            token=data.get("token", ""),
            reason=data.get("reason", ""),
            sequence=_whole(data.get("sequence")),
        )

    return _answered(request, reading, save)


@require_POST
def reading_activity(request: Request, slug: str, position: int) -> HttpResponse:
    """Record what the page reports of its use: acts, a list of {act, detail, sequence} as JSON."""
    reading = load_reading(request, slug, position)
    if not _is_readers(request, reading):
        return _somebody_else()
    try:
        for act in _acts(request.POST.get("acts", "")):
            record_activity(reading=reading, **act)
    except AnswerError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"saved": True})


@require_http_methods(["GET", "POST"])
def reading_submit(request: Request, slug: str, position: int) -> HttpResponse:
    """Hand the case in and go on; without JavaScript this saves what was changed in the form."""
    reading = load_reading(request, slug, position)
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
    following = next_open(load_readings(request, slug), position)
    if following is None:
        return redirect("annotation:reader-study", slug)
    return redirect("annotation:reading", slug, following.position)


def _answered(
    request: Request, reading: Reading, save: Callable[[], Score | Ranking | Comment | Flag]
) -> HttpResponse:
    """What became of an answer; ``current`` is false if a newer one was given elsewhere."""
    if not _is_readers(request, reading):
        return _somebody_else()
    try:
        row = save()
    except AnswerError as error:
        return JsonResponse({"error": str(error)}, status=400)
    current = type(row).objects.current().filter(pk=row.pk).exists()
    return JsonResponse({"saved": True, "current": current})


def _is_readers(request: Request, reading: Reading) -> bool:
    """Whether it comes from a page that was shown to the one who is signed in."""
    return constant_time_compare(request.POST.get("reader", ""), reader_key(reading.reader))


def _somebody_else() -> HttpResponse:
    error = _("This answer was given by somebody else: sign in as that person.")
    return JsonResponse({"error": error}, status=409)


def _acts(text: str) -> list[dict[str, Any]]:
    """The acts that a page reports; raises AnswerError unless they are of the right form."""
    try:
        if "\\u0000" in text:  # which databases don't store
            raise ValueError
        acts = [
            {"act": str(act["act"]), "detail": dict(act["detail"]), "sequence": act["sequence"]}
            for act in json.loads(text, parse_constant=int)  # no NaN, no Infinity
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise AnswerError("This is no list of activities.") from None
    if len(acts) > MOST_ACTS:
        raise AnswerError(f"A page reports {MOST_ACTS} activities at most at once.")
    return acts


def _save_form(request: Request, reading: Reading) -> None:
    """Save what was changed in the form since it was shown.

    What stands in it unchanged may be older than what is stored, and is left alone.

    Raises:
        AnswerError: for all answers that can't be taken at once; the others are saved.
    """
    if set(request.POST) <= {"csrfmiddlewaretoken"}:
        return  # where scripts run, all was sent before
    errors: list[str] = []
    for save in _changes(request, reading):
        try:
            save()
        except AnswerError as error:
            errors.append(str(error))
    if errors:
        raise AnswerError(" ".join(dict.fromkeys(errors)))


def _changes(request: Request, reading: Reading) -> Iterator[Callable[[], object]]:
    """What saves each answer that was changed."""
    protocol = reading.reader.study.protocol
    state = reading_state(reading)
    given = {
        "reading": reading,
        "sequence": max(now(), state["sequence"] + 1, marks(reading)["sequence"] + 1),
    }
    for letter in sorted(state["scores"]):
        for asked in protocol.criteria:
            name = f"{'text' if asked.kind == Kind.TEXT else 'score'}-{letter}-{asked.key}"
            if _changed(request, name):
                yield partial(_save_score, asked, request.POST[name], letter=letter, **given)
        if _changed(request, f"comment-{letter}"):
            text = request.POST[f"comment-{letter}"]
            yield partial(save_comment, letter=letter, text=text, **given)
    for token in reading.shown_images.values_list("token", flat=True):
        if _changed(request, f"flag-{token}"):
            reason = request.POST[f"flag-{token}"]
            yield partial(save_flag, token=token, reason=reason, **given)
    if protocol.ranking:
        letters = [letter for letter, *_ in ranks(state, protocol)]
        yield partial(_save_form_ranking, request, letters=letters, **given)


def _save_score(asked: Criterion, given: str, **answer: Any) -> None:
    """A score as the form posts it."""
    if asked.kind == Kind.TEXT:
        save_score(criterion=asked.key, value=None, text=given, **answer)
    else:
        save_score(criterion=asked.key, value=_value(given), **answer)


def _save_form_ranking(
    request: Request, *, reading: Reading, letters: list[str], sequence: int
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
    return value is not None and _plain(value) != _plain(request.POST.get(f"was-{field}", ""))


def _plain(text: str) -> str:
    """Without what a browser does to line ends."""
    return text.replace("\r\n", "\n").strip()


def _value(text: str | None) -> int | None:
    return None if text == NOT_APPLICABLE else _whole(text)


def _whole(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise AnswerError(f"“{text}” is no whole number.") from None
