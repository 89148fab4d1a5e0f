"""What a researcher fills in to train a generator."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from generation.jobs import enqueue
from generation.models import Dataset, Image, Training
from generation.training.config import CONFIGS, TrainingConfig, TrainingConfigError
from generation.training.presets import PRESETS
from generation.training_settings import as_lines, read_lines, resolve
from generation.trainings import TrainingError, check_name, create_training

FAMILIES = {
    "msdm": "MSDM, trained from scratch",
    "kandinsky": "Kandinsky 2.2 by LoRA",
    "flux": "FLUX.1 by LoRA",
    "stable_diffusion": "Stable Diffusion, all weights",
}
# Settings with a field of their own, in families that start from a published model.
BASES = {
    "pretrained_model_name_or_path": ("Base model", "A hub id or a directory of the worker."),
    "revision": ("Revision of the base model", "A branch, tag or commit of the hub repository."),
    "pretrained_prior_model_name_or_path": ("Prior's base model", "As above, for the prior."),
    "prior_revision": ("Revision of the prior's base model", ""),
}
FIRST = "msdm"


class TrainingForm(forms.Form):
    """Which fields there are depends on the family, which is in ``data`` or ``initial``."""

    family = forms.ChoiceField(choices=list(FAMILIES.items()))
    preset = forms.ChoiceField()  # its choices are the family's
    dataset = forms.ModelChoiceField(
        Dataset.objects.filter(images__isnull=False).distinct(),
        to_field_name="slug",
        label="Data set",
        empty_label="Choose…",
    )
    split = forms.ChoiceField(choices=Image.Split.choices, initial=Image.Split.TRAIN)
    name = forms.CharField(max_length=80, label="Name of the generator")
    settings = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
        help_text="What shall differ from the preset, a line each: learning_rate = 5e-5",
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, initial: Mapping[str, Any]
    ) -> None:
        super().__init__(data, initial=dict(initial))
        source = initial if data is None else data
        family, preset = source.get("family", FIRST), source.get("preset", "")
        self.chosen = family if family in PRESETS else FIRST
        presets = PRESETS[self.chosen]
        self.fields["preset"] = forms.ChoiceField(
            choices=[(name, name) for name in presets],
            help_text="“paper” is as published and needs a GPU.",
        )
        if preset not in presets:
            preset = self.initial["preset"] = "paper"
        self.base_config = presets[preset]
        self._add_bases()
        for field in self.fields.values():
            kind = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
            field.widget.attrs["class"] = f"{kind} {field.widget.attrs.get('class', '')}".strip()

    def _add_bases(self) -> None:
        known = {field.name for field in fields(CONFIGS[self.chosen])}
        for name in BASES.keys() & known:
            label, text = BASES[name]
            self.fields[name] = forms.CharField(
                required=False, max_length=500, label=label, help_text=text
            )
            self.initial.setdefault(name, getattr(self.base_config, name))
        self.order_fields([*list(self.fields)[:5], *BASES, "settings"])

    @property
    def has_datasets(self) -> bool:
        return Dataset.objects.filter(images__isnull=False).exists()

    @property
    def preset_lines(self) -> str:
        """The preset's own values, as they can be written among the settings."""
        values = self.base_config.to_json()
        return as_lines({name: value for name, value in values.items() if name not in BASES})

    def clean_name(self) -> str:
        try:
            check_name(self.cleaned_data["name"])
        except TrainingError as error:
            raise ValidationError(str(error)) from error
        return self.cleaned_data["name"]

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        dataset, split = data.get("dataset"), data.get("split")
        if dataset and split and split not in (has := dataset.splits()):
            self.add_error("split", f"“{dataset}” has no such split; it has: {', '.join(has)}.")
        try:
            data["config"] = self._config()
        except TrainingConfigError as error:
            self.add_error("settings", str(error).splitlines())
        return data

    def _config(self) -> TrainingConfig:
        data = self.cleaned_data
        changes = read_lines(data.get("settings", ""))
        if twice := [name for name in BASES if name in changes and name in self.fields]:
            raise TrainingConfigError(f"{', '.join(twice)}: use the field above, not a line here.")
        bases = {name: data[name] for name in BASES if data.get(name)}
        return resolve(self.chosen, data.get("preset") or "paper", {**changes, **bases})

    def save(self, by: User) -> Training | None:
        """The training, queued; None, with the error at the form, where it can't be."""
        data = self.cleaned_data
        try:
            training = create_training(
                by=by,
                **{name: data[name] for name in ("name", "dataset", "split", "family", "preset")},
                config=data["config"],
            )
        except TrainingError as error:
            self.add_error(None, str(error))
            return None
        enqueue(training)
        return training


def like(training: Training) -> dict[str, Any]:
    """Initial values for another training with the same settings."""
    preset = PRESETS[training.family].get(training.preset)
    values = {name: training.config[name] for name in BASES if name in training.config}
    if preset:
        resolved = resolve(training.family, training.preset, training.config).to_json()
        values["settings"] = as_lines(
            {
                name: value
                for name, value in resolved.items()
                if name not in BASES and value != preset.to_json()[name]
            }
        )
    return {
        "family": training.family,
        "preset": training.preset,
        "dataset": training.dataset.slug,
        "split": training.split,
        "name": training.name,
        **values,
    }
