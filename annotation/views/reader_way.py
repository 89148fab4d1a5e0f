"""A reader's way around the cases: consent, briefing, the overview, the last question.

Everything is loaded through the reader.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.consent import consent_is_due, end_briefing, give_consent
from annotation.errors import AnswerError
from annotation.guesses import Question, guesses_are_due, questions_for, save_guesses
from annotation.models import Comment, Flag, Guess, Reader, Reading, Study
from annotation.pace import in_words, minutes_left
from annotation.readers import find_reader
from annotation.readings import finish_reading, reading_states
from annotation.views.asked import asked, in_reader_language
from annotation.views.reading import load_readings
from generation.permissions import Request

MOST_IMAGES = 6  # of a set, beside a question
SHOW = ("missing", "flagged", "comments")  # what the review may be narrowed to


@dataclass(frozen=True)
class Step:
    """A part of the way: past, present or future; where it is done, and how far it is."""

    words: str
    when: str
    address: str = ""
    detail: str = ""


@never_cache  # Back shows what is stored, and nothing once the reader has signed out
@require_safe
def reader_study(request: Request, slug: str) -> HttpResponse:
    """Where the reader is, how much is left, what is missing, and where to go on."""
    reader = _load(request, slug)
    running = reader.study.state == Study.State.RUNNING
    if running and consent_is_due(reader) and not reader.paused_at:
        return redirect("annotation:consent", slug)
    readings = load_readings(request, slug)
    if not readings:
        waiting = {"study": reader.study, "paused": running and reader.paused_at}
        return render(request, "annotation/reader_waiting.html", waiting)
    open_ones = [reading for reading in readings if not reading.submitted_at]
    rows = _rows(readings)
    shown = request.GET.get("show", "")
    context = {
        "study": reader.study,
        "protocol": in_reader_language(reader.study),
        "reader": reader,
        "way": way(reader, readings),
        "rows": [row for row in rows if shown not in SHOW or row[shown]],
        "shown": shown if shown in SHOW else "",
        "counts": {name: sum(bool(row[name]) for row in rows) for name in SHOW},
        "count": len(readings),
        "done": len(readings) - len(open_ones),
        "first_open": open_ones[0] if open_ones else None,
        "started": any(reading.started_at for reading in readings),
        "guess": guesses_are_due(reader),
        "finished": reader.state == Reader.State.FINISHED,
        "time_left": in_words(minutes_left(readings)),
    }
    return render(request, "annotation/reader_study.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def consent(request: Request, slug: str) -> HttpResponse:
    """The text to agree to; what becomes of who doesn't; what was agreed to, and when."""
    reader = _load(request, slug)
    protocol = in_reader_language(reader.study)
    if reader.study.state != Study.State.RUNNING or reader.paused_at or not protocol.consent:
        return redirect("annotation:reader-study", slug)
    error = ""
    if request.method == "POST":
        try:
            give_consent(
                reader=reader,
                version=request.POST.get("version", ""),
                language=protocol.language,
            )
        except AnswerError as refusal:
            error = str(refusal)
        else:
            return redirect("annotation:briefing", slug)
    context = {
        "study": reader.study,
        "reader": reader,
        "protocol": protocol,
        "way": way(reader, load_readings(request, slug)),
        "declined": "declined" in request.GET and not reader.consented_at,
        "error": error,
    }
    return render(request, "annotation/consent.html", context, status=400 if error else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def briefing(request: Request, slug: str) -> HttpResponse:
    """What is asked, the guide to the rubric, the keys, how long it takes; then the cases."""
    reader = _load(request, slug)
    readings = load_readings(request, slug)
    if not readings:
        return redirect("annotation:reader-study", slug)
    open_ones = [reading for reading in readings if not reading.submitted_at]
    if request.method == "POST":
        end_briefing(reader)
        if open_ones:
            return redirect("annotation:reading", slug, open_ones[0].position)
        return redirect("annotation:reader-study", slug)
    context = {
        **asked(reader.study),
        "reader": reader,
        "way": way(reader, readings),
        "count": len(readings),
        "first_open": open_ones[0] if open_ones else None,
        "started": any(reading.started_at for reading in readings),
    }
    return render(request, "annotation/briefing.html", context)


@require_POST
def finish(request: Request, slug: str) -> HttpResponse:
    """The reader is through; the overview says so, or what is still open."""
    try:
        finish_reading(_load(request, slug))
    except AnswerError as refusal:
        messages.error(request, str(refusal))
    return redirect("annotation:reader-study", slug)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def guess(request: Request, slug: str) -> HttpResponse:
    """The last question: sets once more, and what the reader thinks stood behind them."""
    reader = _load(request, slug)
    readings = load_readings(request, slug)
    if not readings or not guesses_are_due(reader):
        return redirect("annotation:reader-study", slug)
    questions = questions_for(reader)
    answers = {q.number: request.POST.get(f"guess-{q.number}", "") for q in questions}
    missing: list[int] = []
    error = ""
    if request.method == "POST":
        try:
            missing = save_guesses(reader=reader, answers=answers)
        except AnswerError as refusal:
            error = str(refusal)
        if not missing and not error:
            return redirect("annotation:reader-study", slug)
    asked_about = [
        {
            "question": question,
            "sets": _sets(question),
            "choices": _choices(question),
            "answer": answers[question.number],
            "missing": question.number in missing,
        }
        for question in questions
    ]
    context = {
        "study": reader.study,
        "protocol": in_reader_language(reader.study),
        "way": way(reader, readings),
        "asked": asked_about,
        "missing": missing,
        "error": error,
    }
    return render(request, "annotation/guess.html", context, status=400 if error else 200)


def way(reader: Reader, readings: list[Reading]) -> list[Step]:
    """The parts of this reader's way; the first that is not done is the present one."""
    protocol = reader.study.protocol
    practice = [r for r in readings if r.kind == Reading.Kind.PRACTICE]
    cases = [r for r in readings if r.kind != Reading.Kind.PRACTICE]
    started = any(reading.started_at for reading in readings)
    parts: list[tuple[str, bool, str, list[Reading]]] = []
    if protocol.consent:
        parts.append((_("Consent"), not consent_is_due(reader), "consent", []))
    ready = bool(readings)  # else addresses lead nowhere yet
    parts.append((_("Briefing"), bool(reader.briefed_at) or started, "briefing" * ready, []))
    if protocol.practice:
        parts.append((_("Practice"), _all_in(practice), "", practice))
    parts.append((_("Cases"), _all_in(cases), "", cases))
    if protocol.guess:
        asked = _all_in(readings) and not guesses_are_due(reader)
        parts.append((_("Last question"), asked, "", []))
    parts.append((_("Done"), False, "", []))
    steps: list[Step] = []
    reached = False
    for words, done, name, counted in parts:
        when = "future" if reached else "past" if done else "present"
        reached = reached or not done
        address = reverse(f"annotation:{name}", args=[reader.study.slug]) if name else ""
        steps.append(Step(words, when, address, _how_far(counted)))
    return steps


def _all_in(readings: list[Reading]) -> bool:
    return bool(readings) and all(reading.submitted_at for reading in readings)


def _how_far(readings: list[Reading]) -> str:
    if not readings:
        return ""
    done = sum(bool(reading.submitted_at) for reading in readings)
    return _("{done} of {count}").format(done=done, count=len(readings))


def _load(request: Request, slug: str) -> Reader:
    """This person's part in the study; 404 where there is none."""
    reader = find_reader(request.user, slug)
    if reader is None:
        raise Http404
    return reader


def _rows(readings: list[Reading]) -> list[dict[str, Any]]:
    """Of each reading: what is missing in it once begun, how many images are flagged, and comments
    as (letter, text)."""
    states = reading_states(readings)
    flags = Flag.objects.current().exclude(reason=Flag.Reason.WITHDRAWN)
    flagged = list(
        flags.filter(shown_image__reading__in=readings).values_list(
            "shown_image__reading", flat=True
        )
    )
    comments = Comment.objects.current().exclude(text="").order_by("reading_set__letter")
    commented = list(
        comments.filter(reading_set__reading__in=readings).values_list(
            "reading_set__reading", "reading_set__letter", "text"
        )
    )
    return [
        {
            "reading": reading,
            "practice": reading.kind == Reading.Kind.PRACTICE,
            "missing": _missing(reading, states[reading.pk]["missing"]),
            "flagged": flagged.count(reading.pk),
            "comments": [(letter, text) for pk, letter, text in commented if pk == reading.pk],
        }
        for reading in readings
    ]


def _missing(reading: Reading, missing: list[str]) -> list[str]:
    """Empty for what is in, and for what was not begun."""
    if reading.submitted_at or not reading.started_at:
        return []
    return missing or [_("all given, not handed in")]


def _sets(question: Question) -> list[dict[str, Any]]:
    """The sets beside a question: the one that is asked about first, then those to choose from."""
    others = list(question.other.sets.order_by("letter")) if question.other else []
    return [
        {
            "letter": shown.letter,
            "position": shown.reading.position,
            "tokens": list(
                shown.shown_images.order_by("position").values_list("token", flat=True)[
                    :MOST_IMAGES
                ]
            ),
        }
        for shown in [question.shown, *others]
    ]


def _choices(question: Question) -> list[tuple[str, str]]:
    """(value, words) of every answer."""
    if question.kind == Guess.Question.REAL:
        words = {"yes": _("Real"), "no": _("Made by a computer")}
    else:
        words = {one: _("Set {letter}").format(letter=one) for one in question.choices}
    choices = [(value, words[value]) for value in question.choices]
    return [*choices, (Guess.UNSURE, _("Can't tell"))]
