"""What a researcher fills in to copy a protocol and change it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django import forms
from django.utils.text import slugify

from annotation.form_style import StyledForm
from annotation.plan_form import PlanEditor
from annotation.protocols import Criterion, Kind, Presentation, Protocol, ProtocolError

MOST_CRITERIA = 12
KINDS = [
    (Kind.SCORE, "Score: a whole number"),
    (Kind.YES_NO, "Yes or no"),
    (Kind.TEXT, "Text, which may stay empty"),
]
PRESENTATIONS = [
    (Presentation.TOGETHER, "All sets of a case on one page"),
    (Presentation.SINGLE, "One set a page, the others of its case much later"),
]
_ANCHORS = ("low", "middle", "high")
_SAID = ("name", "description", *_ANCHORS)  # a criterion's texts, which can be translated


class ProtocolForm(StyledForm):
    """All but the criteria and the plan of analysis."""

    name = forms.CharField(max_length=80)
    source = forms.CharField(
        required=False, max_length=400, help_text="Where it was published, or what it comes from."
    )
    presentation = forms.ChoiceField(choices=PRESENTATIONS, label="Sets are shown")
    images_per_set = forms.IntegerField(min_value=1, max_value=24, label="Images per set")
    image_size = forms.IntegerField(
        min_value=32, max_value=1024, label="Side of an image", help_text="In pixels."
    )
    references_per_case = forms.IntegerField(
        min_value=0,
        max_value=24,
        label="References per case",
        help_text="Real images that are shown before the sets.",
    )
    practice = forms.IntegerField(
        min_value=0, max_value=10, label="Practice cases", help_text="They count for nothing."
    )
    repeats = forms.IntegerField(
        min_value=0,
        max_value=25,
        label="Repeats",
        help_text="In % of the cases: they tell a reader’s agreement with themselves.",
    )
    checks = forms.IntegerField(
        min_value=0,
        max_value=10,
        label="Attention checks",
        help_text="Cases that come again and ask for given answers.",
    )
    minimal_width = forms.IntegerField(
        min_value=0,
        max_value=4000,
        label="Least width of a screen",
        help_text="In CSS pixels. Readers on smaller ones are asked for another; 0 takes all.",
    )
    hidden_real = forms.BooleanField(
        required=False, label="Real images are one more arm, hidden among the others"
    )
    ranking = forms.BooleanField(required=False, label="Readers rank the sets of a case")
    ties_allowed = forms.BooleanField(required=False, label="Sets may share a rank")
    rank_references = forms.BooleanField(required=False, label="The references are ranked too")
    guess = forms.BooleanField(
        required=False, label="At the end readers guess what stood behind the letters"
    )
    consent = forms.CharField(
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 10}),
        label="What readers consent to",
        help_text="An empty line starts a paragraph. Without a text nothing is asked.",
    )
    consent_version = forms.CharField(
        required=False,
        max_length=40,
        label="Version of this text",
        help_text="Kept with each reader’s consent.",
    )

    def group(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def described(self) -> list[forms.BoundField]:
        return self.group("name", "source")

    @property
    def counted(self) -> list[forms.BoundField]:
        return self.group(
            "presentation",
            "images_per_set",
            "image_size",
            "references_per_case",
            "practice",
            "repeats",
            "checks",
            "minimal_width",
        )

    @property
    def chosen(self) -> list[forms.BoundField]:
        return self.group("hidden_real", "ranking", "ties_allowed", "rank_references", "guess")

    @property
    def agreed(self) -> list[forms.BoundField]:
        return self.group("consent", "consent_version")

    def clean_consent(self) -> str:
        return self.cleaned_data["consent"].replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("presentation") == Presentation.SINGLE and data.get("ranking"):
            self.add_error("ranking", "Sets on pages of their own can’t be ranked.")
        if data.get("ties_allowed") and not data.get("ranking"):
            self.add_error("ties_allowed", "There is no ranking, so there are no ranks to share.")
        if data.get("rank_references") and not data.get("ranking"):
            self.add_error("rank_references", "There is no ranking.")
        elif data.get("rank_references") and data.get("references_per_case") == 0:
            self.add_error("rank_references", "There are no references to rank.")
        if data.get("consent") and not data.get("consent_version"):
            self.add_error("consent_version", "Give the consent text a version, for example 1.")
        if data.get("consent_version") and not data.get("consent"):
            self.add_error("consent", "This version has no text.")
        return data


class CriterionForm(StyledForm):
    """One question of the rubric."""

    key = forms.SlugField(required=False, max_length=40, widget=forms.HiddenInput)
    name = forms.CharField(max_length=80)
    kind = forms.ChoiceField(choices=KINDS, label="Answered by")
    minimum = forms.IntegerField(required=False, min_value=0, max_value=10, label="Lowest score")
    maximum = forms.IntegerField(required=False, min_value=0, max_value=10, label="Highest score")
    description = forms.CharField(
        required=False, max_length=400, widget=forms.Textarea(attrs={"rows": 2})
    )
    low = forms.CharField(required=False, max_length=80, label="What the lowest means")
    middle = forms.CharField(required=False, max_length=80, label="What the middle means")
    high = forms.CharField(required=False, max_length=80, label="What the highest means")
    not_applicable = forms.BooleanField(
        required=False, label="Readers may say that it isn’t applicable"
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind, low, high = (data.get(name) for name in ("kind", "minimum", "maximum"))
        if kind == Kind.SCORE and not self.errors:
            if low is None or high is None:
                self.add_error("minimum", "A score needs a lowest and a highest number.")
            elif low >= high:
                self.add_error("maximum", f"The highest must be above the lowest, {low}.")
        return data


class _CriteriaFormSet(forms.BaseFormSet):
    def clean(self) -> None:
        if any(self.errors):
            return
        if all(form.cleaned_data["kind"] == Kind.TEXT for form in self.forms):
            raise forms.ValidationError("One criterion at least must be a score, or yes or no.")


CriteriaForms = forms.formset_factory(
    CriterionForm,
    formset=_CriteriaFormSet,
    extra=0,
    min_num=1,
    validate_min=True,
    max_num=MOST_CRITERIA,
    validate_max=True,
    absolute_max=MOST_CRITERIA,
)


class ProtocolEditor:
    """The forms of one protocol: itself, each of its criteria, and its plan of analysis.

    Args:
        base: the protocol that is changed.
        version: of the changed one.
        data: what was sent; without it the forms show the base.
    """

    def __init__(
        self,
        base: Protocol,
        *,
        name: str,
        source: str,
        version: int,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.base = base
        self.version = version
        shown = {**asdict(base), "name": name, "source": source}
        shown["repeats"] = round(100 * base.repeats)
        self.form = ProtocolForm(data, initial=shown)
        self.criteria = CriteriaForms(data, prefix="criteria", initial=list(shown["criteria"]))
        self.plan = PlanEditor(base, data=data)

    @property
    def can_add(self) -> bool:
        return len(self.criteria.forms) < MOST_CRITERIA

    def is_valid(self) -> bool:
        valid = [part.is_valid() for part in (self.form, self.criteria, self.plan)]
        return all(valid)

    def arrange(self, act: str) -> None:
        """Add a criterion ("add"), or move or remove one ("up-2", "down-2", "remove-2"), and keep
        all that was typed. An act that can't be changes nothing."""
        verb, _, number = act.partition("-")
        rows = [form.raw() for form in self.criteria.forms]
        place = int(number) if number.isdecimal() else -1
        if verb == "add" and len(rows) < MOST_CRITERIA:
            rows.append({"kind": Kind.SCORE, "minimum": 0, "maximum": 10})
        elif 0 <= place < len(rows):
            row = rows.pop(place)
            if verb != "remove" or not rows:
                rows.insert(max(place + {"up": -1, "down": 1}.get(verb, 0), 0), row)
        self.form = ProtocolForm(initial=self.form.raw())
        self.criteria = CriteriaForms(prefix="criteria", initial=rows)
        self.plan = PlanEditor(self.base, typed=self.plan.raw())

    def protocol(self) -> Protocol | None:
        """The protocol as valid forms say; None, with the error at the form, where it can't be."""
        data = dict(self.form.cleaned_data)
        key = slugify(data["name"], allow_unicode=True)
        if not key:
            self.form.add_error("name", "Give it a name with letters or digits in it.")
            return None
        other = data["consent"] != self.base.consent.strip()
        if other and data["consent"] and data["consent_version"] == self.base.consent_version:
            self.form.add_error("consent_version", "The text has changed: give it another version.")
            return None
        criteria = self._criteria()
        try:
            return Protocol(
                **{**data, "repeats": data["repeats"] / 100},
                key=key,
                version=self.version,
                criteria=criteria,
                plan=self.plan.plan(),
                language=self.base.language,
                translations=self._translations(criteria, data["consent"]),
            )
        except ProtocolError as error:
            self.form.add_error(None, str(error))
            return None

    def _criteria(self) -> tuple[Criterion, ...]:
        taken = {form.cleaned_data["key"] for form in self.criteria.forms}
        criteria = []
        for form in self.criteria.forms:
            data = dict(form.cleaned_data)
            if not data["key"]:
                data["key"] = _free_key(data["name"], taken)
                taken.add(data["key"])
            if data["kind"] == Kind.YES_NO:
                data |= {"minimum": 0, "maximum": 1, "middle": ""}
            elif data["kind"] == Kind.TEXT:
                data |= {"minimum": 0, "maximum": 10, "not_applicable": False}
                data |= dict.fromkeys(_ANCHORS, "")
            criteria.append(Criterion(**data))
        return tuple(criteria)

    def _translations(
        self, criteria: tuple[Criterion, ...], consent: str
    ) -> dict[str, dict[str, Any]]:
        """The base's, as far as the texts are still those that were translated."""
        before = {criterion.key: criterion for criterion in self.base.criteria}
        same = {
            (c.key, text)
            for c in criteria
            for text in _SAID
            if c.key in before and getattr(c, text) == getattr(before[c.key], text)
        }
        kept = {}
        for code, texts in self.base.translations.items():
            kept[code] = {
                "criteria": {
                    key: {text: said for text, said in of.items() if (key, text) in same}
                    for key, of in texts.get("criteria", {}).items()
                }
            }
            if "consent" in texts and consent == self.base.consent.strip():
                kept[code]["consent"] = texts["consent"]
        return kept


def _free_key(name: str, taken: set[str]) -> str:
    base = slugify(name).replace("-", "_")[:36] or "criterion"
    numbered = (f"{base}_{n}" for n in range(2, len(taken) + 3))
    return next(key for key in (base, *numbered) if key not in taken)
