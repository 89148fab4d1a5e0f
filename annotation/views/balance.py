"""How balanced the plan of a study is: for its readers, or for as many as are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.html import format_html_join
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotation.balance import Balance, balance
from annotation.design import DesignError, PlannedCase
from annotation.models import Reader, Study
from annotation.plans import case_refs, plans_of, stored_plans
from generation.permissions import Request, researcher_required

MOST_READERS = 30


class ReadersForm(forms.Form):
    readers = forms.IntegerField(
        label="For a number of readers",
        required=False,
        min_value=1,
        max_value=MOST_READERS,
        widget=forms.NumberInput(attrs={"class": "form-control"}),
    )


@never_cache
@require_safe
@researcher_required
def study_balance(request: Request, slug: str) -> HttpResponse:
    """Of the stored plans; before sealing, or for a number asked for, of those that would be."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    form = ReadersForm(request.GET)
    asked = form.cleaned_data["readers"] if form.is_valid() else None
    context: dict[str, Any] = {"study": study, "form": form}
    try:
        plans, whose = plans_and_whose(study, asked)
    except DesignError as error:
        context["problem"] = str(error)
    else:
        context |= {"whose": whose, "free": _free(study), **_context(study, plans)}
    return render(request, "annotation/balance.html", context)


def plans_and_whose(study: Study, asked: int | None) -> tuple[dict[str, list[PlannedCase]], str]:
    """Plans by the name of their reader, and whose they are in words."""
    readers = list(study.readers.exclude(state=Reader.State.REVOKED).order_by("slot"))
    if asked is None:
        stored = stored_plans(readers)
        if stored:
            words = f"The stored plan of {_count(len(stored), 'reader')}."
            return {str(reader): plan for reader, plan in stored.items()}, words
    if asked is None and readers:
        names = {reader.slot: str(reader) for reader in readers}
        words = "It is stored when the study is sealed."
    else:
        asked = asked or study.arms.count()  # the fewest who can see all letters equally often
        names = {slot: f"Place {slot}" for slot in range(1, asked + 1)}
        words = "Readers get their places in the order in which they are added."
    plans = plans_of(study, list(names))
    said = f"The plan that {_count(len(plans), 'reader')} would get. {words}"
    return {names[slot]: plan for slot, plan in plans.items()}, said


def _free(study: Study) -> str:
    """Places whose reader left, in words."""
    taken = set(study.readers.exclude(state=Reader.State.REVOKED).values_list("slot", flat=True))
    free = [str(slot) for slot in range(1, max(taken, default=0)) if slot not in taken]
    if len(free) == 1:
        return f"Place {free[0]} of the plan is free: the next reader gets it."
    return f"Places {', '.join(free)} of the plan are free: the next readers get them." * bool(free)


def _context(study: Study, plans: Mapping[str, Sequence[PlannedCase]]) -> dict[str, Any]:
    arms = list(study.arms.select_related("generator"))
    positions = dict(study.cases.values_list("pk", "position"))
    found = balance(
        list(plans.values()),
        cases=case_refs(study),
        arms=[arm.pk for arm in arms],
        together=study.protocol.together,
    )
    return {
        "balance": found,
        "verdict": verdict(found, list(plans), study.protocol.together),
        "arms": arms,
        "totals": [
            (
                arm,
                [
                    (found.totals[place, arm.pk], found.within[place, arm.pk])
                    for place in found.places
                ],
            )
            for arm in arms
        ],
        "neighbours": [
            (left, [found.neighbours.get((left.pk, right.pk), 0) for right in arms])
            for left in arms
        ],
        # Not in the template: there can be 60,000 of them.
        "orders": [
            (
                name,
                format_html_join(
                    "",
                    '<li class="{}">{}</li>',
                    ((planned.kind, positions[planned.case]) for planned in plan),
                ),
            )
            for name, plan in plans.items()
        ],
    }


def verdict(found: Balance, names: Sequence[str], together: bool) -> str:
    what = "each letter stands for each arm" if together else "each arm is shown in each round"
    if found.even:
        return (
            f"Within every reader and, in every case, over the readers, {what} equally often, "
            "give or take one."
        )
    reasons = []
    if found.uneven_cases:
        span = found.of_a_case
        reasons.append(
            f"over the readers of a case in {len(found.uneven_cases)} of {found.cases} cases, "
            f"where counts go from {span.least} to {span.most}"
        )
    if found.uneven_readers:
        reasons.append(f"within {', '.join(names[i] for i in found.uneven_readers)}")
    return f"It isn’t so that {what} equally often: {'; '.join(reasons)}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
