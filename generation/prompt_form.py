"""What a researcher fills in to bring prompts in: a CSV file, or its text, mended on the page."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from generation.datasets import DatasetError
from generation.datasets.prompts import PromptRow, read_prompts
from generation.datasets.tables import decoded
from generation.imports import (
    ImportRefused,
    add_prompts,
    check_free,
    import_prompts,
    prompt_problems,
)
from generation.models import Dataset
from generation.rephrasing.checking import difference

MOST = 2 * 2**20  # bytes
_EXAMPLE = (
    "prompt,rephrasing\nGenerate an image with 1 polyp.,Create a picture that shows a single polyp."
)


@dataclass(frozen=True)
class _Text:
    """CSV text as `read_prompts` takes it."""

    text: str
    name: str = "The table"

    def read_bytes(self) -> bytes:
        return self.text.encode()


class PromptsForm(forms.Form):
    """The file's text goes into the field below it, so that it can be mended there."""

    into = forms.ModelChoiceField(
        Dataset.objects.all(),
        to_field_name="slug",
        required=False,
        label="Add to",
        empty_label="A new list of prompts",
    )
    name = forms.CharField(
        max_length=120, required=False, label="Name", help_text="Of a new list of prompts."
    )
    source = forms.CharField(max_length=300, required=False, label="Where they come from")
    file = forms.FileField(required=False, label="CSV file")
    text = forms.CharField(
        required=False,
        strip=False,
        label="Or its text",
        widget=forms.Textarea(
            attrs={"rows": 10, "spellcheck": "false", "placeholder": _EXAMPLE},
        ),
        help_text="Columns prompt, rephrasing and, if wanted, reference_caption: the caption of "
        "real images that show what is asked, where they aren’t captioned by the prompt.",
    )

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.rows: list[PromptRow] = []
        self.problems: list[str] = []
        self.fields["file"].widget.attrs["accept"] = ".csv,text/csv"
        for name, field in self.fields.items():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if select else "form-control"
            if name == "text":
                field.widget.attrs["class"] += " code"

    def clean_file(self) -> str | None:
        file = self.cleaned_data["file"]
        if not file:
            return None
        if file.size > MOST:
            raise ValidationError(f"{file.name} has more than {MOST >> 20} MiB: divide it.")
        try:
            return decoded(file.read(), file.name)
        except DatasetError as error:
            raise ValidationError(error.problems) from error

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        text = data.get("file") or data.get("text") or ""
        if data.get("file"):
            # What came by file is shown in the field, to be mended there.
            self.data = {**{name: self.data.get(name) for name in self.fields}, "text": text}
        if not data.get("into"):
            self._check_name(data.get("name", ""))
        if "file" in self.errors:
            return data
        if not text.strip():
            self.add_error("file", "Choose a file, or paste its text.")
            return data
        try:
            self.rows = read_prompts(_Text(text.replace("\r\n", "\n")))
            if data.get("into"):
                self.problems = prompt_problems(data["into"], self.rows)
        except DatasetError as error:
            self.problems = error.problems
        if self.problems:
            number = len(self.problems)
            self.add_error("text", f"{number} problem{'' if number == 1 else 's'}, listed below.")
        return data

    def _check_name(self, name: str) -> None:
        if not name:
            self.add_error("name", "Give the new list a name.")
            return
        try:
            check_free(slugify(name), name)
        except ImportRefused as error:
            self.add_error("name", str(error))

    @property
    def checked(self) -> list[tuple[PromptRow, str]]:
        """Each row, and what its rephrasing seems to change."""
        return [
            (row, difference(row.prompt, row.rephrasing) if row.rephrasing else "")
            for row in self.rows
        ]

    def save(self, by: User) -> Dataset:
        """Raises ImportRefused where the name was taken meanwhile."""
        data = self.cleaned_data
        if into := data["into"]:
            add_prompts(dataset=into, rows=self.rows)
            return into
        return import_prompts(
            slug=slugify(data["name"]),
            name=data["name"],
            rows=self.rows,
            source=data["source"],
            by=by,
        )
