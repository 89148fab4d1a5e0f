"""A reader's pages of the cases, one for each.

Everything is loaded through the reader. What leaves here holds tokens and letters only.
"""

import time
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
from annotation.models import Comment, Flag, Reader, Reading, ReadingSet
from annotation.models.answers import NOT_APPLICABLE
from annotation.pace import minutes_left
from annotation.protocols import REFERENCE_LETTER, Criterion, Kind, Protocol
from annotation.readings import reading_state, see_references
from annotation.views.texts import flag_reasons, reading_texts
from generation.permissions import Request

COLUMNS = [(1, 1), (4, 2), (6, 3), (12, 4), (20, 5), (24, 6)]  # images at most, columns of a grid


@never_cache  # Back shows what is stored, and nothing once the reader has signed out
@require_safe
@consent_first
def reading(request: Request, slug: str, position: int) -> HttpResponse:
    """The case: its references at first, then references, sets, rubric and ranking."""
    reading = load_reading(request, slug, position)
    readings = load_readings(request, slug)
    study = reading.reader.study
    protocol = study.protocol.in_language(get_language() or "")
    given = marks(reading)
    context = {
        "study": study,
        "protocol": protocol,
        "reading": reading,
        "prompt": reading.case.prompt.text,
        "count": len(readings),
        "minutes_left": minutes_left(readings),
        "references": _images(reading, None, _("Reference"), given["flags"]),
        "reader_key": reader_key(reading.reader),
        "server_time": now(),
        "texts": reading_texts(),
    }
    if context["references"] and not reading.references_seen_at:
        context |= {"sets": list(reading.sets.all()), "tokens": _tokens(reading), "sequence": 0}
        return render(request, "annotation/reading_references.html", context)
    context |= _case(reading, readings, protocol, given)
    context["show_missing"] = "missing" in request.GET
    return render(request, "annotation/reading.html", context)


def _case(
    reading: Reading, readings: list[Reading], protocol: Protocol, given: dict[str, Any]
) -> dict[str, Any]:
    """What the page of a case shows beside what that of its references shows."""
    state = reading_state(reading)
    following = next((r for r in readings if r.position == reading.position + 1), None)
    upcoming = next_open(readings, reading.position) or following
    return {
        "sets": _sets(reading, protocol, state, given),
        "ranks": ranks(state, protocol) if protocol.ranking else [],
        "tiers": "|".join("=".join(tier) for tier in state["ranking"] or []),
        "reasons": flag_reasons(),
        "state": state,
        "sequence": max(state["sequence"], given["sequence"]),
        "next_position": following and following.position,
        "preload_position": upcoming and upcoming.position,
        "preload_tokens": _tokens(upcoming),
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
        .defer("reader__study__manifest")  # long, and parsed for each row
        .order_by("position")
    )


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
    reading: Reading, reading_set: ReadingSet | None, name: str, flags: dict[str, str]
) -> list[dict[str, str]]:
    """Token, text and flag of the images of a set, or of the references."""
    shown = reading.shown_images.filter(reading_set=reading_set).order_by("position")
    tokens = list(shown.values_list("token", flat=True))
    numbered = _("{name}, image {n}") if reading_set else "{name} {n}"
    alone = reading_set and len(tokens) == 1
    return [
        {
            "token": token,
            "alt": name if alone else numbered.format(name=name, n=n),
            "flag": flags.get(token, ""),
        }
        for n, token in enumerate(tokens, 1)
    ]


def _sets(
    reading: Reading, protocol: Protocol, state: dict[str, Any], given: dict[str, Any]
) -> list[dict[str, Any]]:
    """What the template shows of each set; ``rubric`` has one row for each criterion."""
    sets = list(reading.sets.order_by("letter"))
    letters = [reading_set.letter for reading_set in sets]
    rows = []
    for reading_set, following in zip(sets, [*letters[1:], None], strict=True):
        letter = reading_set.letter
        name = _set_name(letters, protocol, letter)
        scores = state["scores"][letter]
        rubric = [
            {"asked": asked, "given": scores.get(asked.key), "targets": _targets(asked)}
            for asked in protocol.criteria
        ]
        rows.append(
            {
                "letter": letter,
                "name": name,
                "next": following,
                "images": _images(reading, reading_set, name, given["flags"]),
                "columns": _columns(protocol.images_per_set),
                "comment": given["comments"].get(letter, ""),
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


def _tokens(reading: Reading | None) -> list[str]:
    """For the browser to fetch beforehand, in an order that says nothing of the sets."""
    if reading is None:
        return []
    shown = reading.shown_images.values_list("reading_set", "token")
    return [row[1] for row in sorted(shown, key=lambda row: (row[0] is not None, row[1]))]
