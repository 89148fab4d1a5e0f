"""What a researcher fills in to import image sets that were made elsewhere."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from generation.datasets import DatasetError
from generation.imported_sets import Imported, check_name, import_sets
from generation.imports import ImportRefused
from generation.models import Dataset, Generator
from generation.run_form import RunForm

SHOWN = 200  # problems; more are only counted


class ImportForm(forms.Form):
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
    archive = forms.FileField(label="ZIP file")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["prompts"].help_text = "That the images were made from."
        self.fields["archive"].widget.attrs["accept"] = ".zip,application/zip"
        for field in self.fields.values():
            kind = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
            if isinstance(field.widget, forms.CheckboxInput):
                kind = "form-check-input"
            field.widget.attrs["class"] = kind

    @property
    def lacks(self) -> str:
        """What must be there first; "" where nothing is missing."""
        if not Dataset.objects.filter(prompts__isnull=False).exists():
            return "There are no prompts yet. Import some first: manage.py import_prompts"
        return ""

    def clean_name(self) -> str:
        try:
            check_name(self.cleaned_data["name"])
        except ImportRefused as error:
            raise ValidationError(str(error)) from error
        return self.cleaned_data["name"]

    def save(self, by: User) -> Imported | None:
        """What came in; None, with all that is wrong at the form, where nothing did."""
        data = self.cleaned_data
        file = data["archive"]
        try:
            return import_sets(
                name=data["name"],
                source=data["source"],
                licence=data["licence"],
                dataset=data["prompts"],
                archive=file.file,
                archive_name=file.name,
                by=by,
                some=data["some"],
            )
        except DatasetError as error:
            more = len(error.problems) - SHOWN
            counted = [f"… and {more} more."] if more > 0 else []
            self.add_error("archive", error.problems[:SHOWN] + counted)
        except ImportRefused as error:
            self.add_error(None, str(error))
        except OSError as error:
            self.add_error(None, f"The images can't be stored: {error}")
        return None
