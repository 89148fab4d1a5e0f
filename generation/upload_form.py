"""What a researcher fills in to upload a data set, or image sets that were made elsewhere."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from generation.datasets.layouts import LAYOUTS
from generation.imported_sets import check_name
from generation.imports import ImportRefused, check_free
from generation.models import Dataset, Generator, Upload
from generation.run_form import RunForm
from generation.uploads import create_upload

LAYOUT_NAMES = {
    "folder": "images and captions.csv",
    "medvqa-gi": "MEDVQA-GI 2024, as published",
    "kvasir-vqa": "Kvasir-VQA, as published",
    "hyperkvasir": "HyperKvasir, as published",
    "rocov2": "ROCOv2, as published",
    "huggingface": "Hugging Face data set (save_to_disk, or Parquet files)",
}
assert LAYOUT_NAMES.keys() == LAYOUTS.keys()


class UploadForm(forms.Form):
    """What both have; what is particular to one stands in ``options``."""

    kind: Upload.Kind
    lacks = ""  # what must be there first

    name = forms.CharField(max_length=120)
    source = forms.CharField(max_length=300, label="Where it comes from")
    licence = forms.CharField(
        max_length=Dataset._meta.get_field("licence").max_length,
        required=False,
        help_text="For instance CC BY 4.0; it stands in reports.",
    )
    archive = forms.FileField(label="ZIP file")

    def __init__(
        self, data: Any = None, files: Any = None, *, initial: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data, files, initial=dict(initial or {}))
        self.fields["archive"].widget.attrs["accept"] = ".zip,application/zip"
        for field in self.fields.values():
            kind = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
            if isinstance(field.widget, forms.CheckboxInput):
                kind = "form-check-input"
            field.widget.attrs["class"] = kind

    def check_name(self, name: str) -> None:
        raise NotImplementedError

    def clean_name(self) -> str:
        try:
            self.check_name(self.cleaned_data["name"])
        except ImportRefused as error:
            raise ValidationError(str(error)) from error
        return self.cleaned_data["name"]

    def save(self, by: User) -> Upload | None:
        """The upload, queued; None, with the error at the form, where it can't be stored."""
        data = dict(self.cleaned_data)
        try:
            return create_upload(kind=self.kind, file=data.pop("archive"), by=by, **data)
        except ImportRefused as error:
            self.add_error("name", str(error))
        except OSError as error:
            self.add_error("archive", f"The file can't be stored: {error}")
        return None


class DatasetForm(UploadForm):
    kind = Upload.Kind.DATASET

    layout = forms.ChoiceField(choices=list(LAYOUT_NAMES.items()), label="What the ZIP holds")
    holdout = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=99,
        label="Split anew: % of the images for testing",
        help_text="Empty: as its table or layout says; 10 % where it says nothing.",
    )

    field_order = ("name", "source", "licence", "layout", "holdout", "archive")

    def check_name(self, name: str) -> None:
        check_free(slugify(name), name)

    def clean_holdout(self) -> float | None:
        percent = self.cleaned_data["holdout"]
        return None if percent is None else percent / 100


class SetsForm(UploadForm):
    kind = Upload.Kind.SETS

    name = forms.CharField(max_length=80, label="Name of the generator that made them")
    source = forms.CharField(
        max_length=300,
        label="Where they came from",
        help_text="A paper, a repository, a person. Readers never see it, nor the name.",
    )
    licence = forms.CharField(
        max_length=Generator._meta.get_field("licence").max_length, required=False
    )
    prompts = RunForm.base_fields["prompts"]
    some = forms.BooleanField(
        required=False,
        label="Only some of the prompts have images",
        help_text="Studies can then take these prompts alone.",
    )

    field_order = ("name", "source", "licence", "prompts", "some", "archive")

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.fields["prompts"].help_text = "That the images were made from."
        found = Dataset.objects.filter(prompts__isnull=False).distinct()
        rephrased = found.filter(prompts__rephrasing_of__isnull=False)
        for likely in (list(rephrased[:2]), list(found[:2])):
            if len(likely) == 1:
                self.initial.setdefault("prompts", likely[0].slug)
        if not found:
            self.lacks = "There are no prompts yet that images could have been made from."

    def check_name(self, name: str) -> None:
        check_name(name)


def like(upload: Upload) -> dict[str, Any]:
    """What was typed, for another try."""
    holdout = upload.options.get("holdout")
    return {
        "name": upload.name,
        "source": upload.source,
        "licence": upload.licence,
        "prompts": upload.prompts.slug if upload.prompts else "",
        "some": upload.options.get("some"),
        "layout": upload.options.get("layout"),
        "holdout": None if holdout is None else round(100 * holdout),
    }
