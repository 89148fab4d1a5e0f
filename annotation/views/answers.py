"""What a reader gives: scores, rankings and whole cases, all loaded through the reader."""

from collections.abc import Callable

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_http_methods, require_POST

from annotation.models import Ranking, Reading, Score
from annotation.models.answers import NOT_APPLICABLE
from annotation.readings import (
    AnswerError,
    reading_state,
    save_ranking,
    save_score,
    submit_reading,
)
from annotation.views.reading import (
    load_reading,
    load_readings,
    next_open,
    now,
    ranks,
    reader_key,
)
from generation.permissions import Request


@require_POST
def reading_score(request: Request, slug: str, position: int) -> HttpResponse:
    """Save one score: letter, criterion, value, sequence."""
    reading = load_reading(request, slug, position)
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
    reading = load_reading(request, slug, position)
    data = request.POST
    tiers = [tier.split("=") for tier in data.get("tiers", "").split("|")]

    def save() -> Ranking:
        return save_ranking(reading=reading, tiers=tiers, sequence=_whole(data.get("sequence")))

    return _answered(request, reading, save)


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
    request: Request, reading: Reading, save: Callable[[], Score | Ranking]
) -> HttpResponse:
    """What became of an answer; ``current`` is false if a newer one was given elsewhere."""
    key = request.POST.get("reader", "")
    if not constant_time_compare(key, reader_key(reading.reader)):
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
    sequence = max(now(), state["sequence"] + 1)
    ranked = [letter for letter, *_ in ranks(state, protocol)]
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
