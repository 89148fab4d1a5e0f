"""What a researcher fills in to ask a generator for image sets."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db.models import Count

from generation.models import IMPORTED, Dataset, Generator, Prompt, Run
from generation.runs import MAX_SEED, RunError, create_run, enqueue_run


class GeneratorField(forms.ModelChoiceField):
    def label_from_instance(self, obj) -> str:
        return f"{obj.name} ({obj.family})"


class PromptsField(forms.ModelChoiceField):
    def label_from_instance(self, obj) -> str:
        number = f"{obj.prompts_count} prompt{'' if obj.prompts_count == 1 else 's'}"
        return f"{obj.name} ({number}{', phantoms' if obj.phantom else ''})"


class RunForm(forms.Form):
    generator = GeneratorField(
        Generator.objects.exclude(family=IMPORTED), to_field_name="slug", empty_label="Choose…"
    )
    prompts = PromptsField(
        Dataset.objects.alias(known=Count("prompts"))
        .filter(known__gt=0)
        .annotate(prompts_count=Count("prompts")),
        to_field_name="slug",
        label="Prompts of the data set",
        empty_label="Choose…",
        help_text="One image set is made for each prompt, rephrasings among them.",
    )
    images_per_set = forms.IntegerField(
        min_value=1, max_value=24, initial=10, label="Images per set"
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=MAX_SEED - 1,
        initial=0,
        help_text="The same seed, prompt and generator give the same images again.",
    )
    priority = forms.TypedChoiceField(
        choices=Run.Priority.choices,
        coerce=int,
        initial=Run.Priority.NORMAL,
        help_text="Runs of a higher priority come first, whoever asked for them.",
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        for field in self.fields.values():
            kind = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
            field.widget.attrs["class"] = kind

    @property
    def lacks(self) -> str:
        """What must be there first, and how to get it; "" where nothing is missing."""
        if not Generator.objects.exclude(family=IMPORTED).exists():
            return "There is no generator that can be sampled yet: train or add one first."
        if not Prompt.objects.exists():
            return "There are no prompts yet. Import some first: manage.py import_prompts"
        return ""

    def save(self, by: User) -> Run | None:
        """The run, queued; None, with the error at the form, where it can't be."""
        data = self.cleaned_data
        try:
            run = create_run(
                generator=data["generator"],
                prompts=list(data["prompts"].prompts.all()),
                images_per_set=data["images_per_set"],
                seed=data["seed"],
                priority=Run.Priority(data["priority"]),
                by=by,
            )
        except RunError as error:
            self.add_error(None, str(error))
            return None
        enqueue_run(run)
        return run


def like(run: Run) -> dict[str, Any]:
    """Initial values for another run with the same wishes."""
    first = run.image_sets.select_related("prompt__dataset").first()
    return {
        "generator": run.generator.slug,
        "prompts": first.prompt.dataset.slug if first else "",
        "images_per_set": run.images_per_set,
        "seed": run.seed,
        "priority": run.priority,
    }
