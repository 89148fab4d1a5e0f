"""The part of a protocol's form that asks which analysis is named in advance."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms

from annotation.form_style import StyledForm
from annotation.protocols import Protocol
from annotation.protocols.plan import (
    COMPUTABLE,
    LEAST_RESAMPLES,
    MOST_CLAIMS,
    MOST_RESAMPLES,
    AnalysisPlan,
    Claim,
)

SIGNS = [(1, "the higher, the higher the score"), (-1, "the lower, the higher the score")]


def _offer(form: forms.Form, name: str, shown: str, named: Mapping[str, str]) -> None:
    """The choices of a field, with what it began with even where that isn't known here."""
    chosen = str(form.initial.get(name) or "")
    known = dict(named) | ({chosen: chosen} if chosen and chosen not in named else {})
    field = cast(forms.ChoiceField, form.fields[name])
    field.choices = [("", shown), *known.items()]


class PlanForm(StyledForm):
    """All but the claims. Without a leading criterion there is no plan."""

    leading = forms.ChoiceField(
        required=False, label="Arms are compared first by", help_text="The leading criterion."
    )
    primary = forms.ChoiceField(
        required=False,
        label="Metric that is asked first",
        help_text="Whether it orders arms as readers do, in the leading criterion.",
    )
    alpha = forms.FloatField(
        min_value=0.001,
        max_value=0.2,
        label="Level of tests, α",
        help_text="A p below it, corrected by Holm over all claims, counts.",
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    resamples = forms.IntegerField(
        min_value=LEAST_RESAMPLES, max_value=MOST_RESAMPLES, label="Resamples and permutations"
    )
    seed = forms.IntegerField(min_value=0, max_value=2**63 - 1, label="Seed of both")
    embedder = forms.CharField(
        required=False,
        max_length=80,
        label="Embedder",
        help_text="What features come from. Empty: this site’s, as it is when a study is made.",
    )

    def __init__(self, *args: Any, criteria: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self, "leading", "No plan: all is exploratory", criteria)
        _offer(self, "primary", "Choose…", COMPUTABLE.metrics)

    def clean_embedder(self) -> str:
        name = self.cleaned_data["embedder"].strip()
        if name and (fault := COMPUTABLE.embedder_fault(name)):
            raise forms.ValidationError(fault)
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("leading") and not data.get("primary"):
            self.add_error("primary", "A plan names the metric that is asked first.")
        return data


class ClaimForm(StyledForm):
    """One claim; without a metric there is none."""

    metric = forms.ChoiceField(required=False)
    sign = forms.TypedChoiceField(choices=SIGNS, coerce=int, label="Direction")
    criterion = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, criteria: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _offer(self, "metric", "No claim", COMPUTABLE.metrics)
        _offer(self, "criterion", "Choose…", criteria)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("metric") and not data.get("criterion"):
            self.add_error("criterion", "Choose what the metric should go along with.")
        return data


ClaimForms = forms.formset_factory(
    ClaimForm, extra=0, max_num=MOST_CLAIMS, absolute_max=MOST_CLAIMS
)


def _raw(plan: AnalysisPlan | None) -> dict[str, Any]:
    """As `PlanEditor.raw`; without a plan what one would mostly begin with."""
    if plan is None:
        return {"plan": {"alpha": 0.05, "resamples": 10_000, "seed": 0}, "claims": []}
    return {"plan": plan.to_dict(), "claims": plan.to_dict()["claims"]}


class PlanEditor:
    """The forms of a plan: itself, and a row for each claim that it could make.

    Args:
        base: the protocol whose plan and criteria are shown.
        data: what was sent; without it the forms show the base's plan.
        typed: instead, what was typed before (`raw`).
    """

    def __init__(
        self,
        base: Protocol,
        *,
        data: Mapping[str, Any] | None = None,
        typed: Mapping[str, Any] | None = None,
    ) -> None:
        shown = typed or _raw(base.plan)
        rows = [*shown["claims"], *[{"sign": 1}] * MOST_CLAIMS][:MOST_CLAIMS]
        named = {"criteria": {criterion.key: criterion.name for criterion in base.rated}}
        self.form = PlanForm(data, prefix="plan", initial=shown["plan"], **named)
        self.claims = ClaimForms(data, prefix="claims", initial=rows, form_kwargs=named)

    def raw(self) -> dict[str, Any]:
        """What was typed, right or wrong."""
        return {"plan": self.form.raw(), "claims": [form.raw() for form in self.claims.forms]}

    @property
    def errors(self) -> bool:
        return bool(self.form.errors or self.claims.total_error_count())

    def is_valid(self) -> bool:
        return all([self.form.is_valid(), self.claims.is_valid()])

    def plan(self) -> AnalysisPlan | None:
        """As valid forms say."""
        data = dict(self.form.cleaned_data)
        if not data["leading"]:
            return None
        rows = [form.cleaned_data for form in self.claims.forms]
        return AnalysisPlan(**data, claims=tuple(Claim(**r) for r in rows if r.get("metric")))
