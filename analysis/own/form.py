"""What a researcher fills in to have ratings analysed that were made elsewhere."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from analysis.models import Report
from analysis.models.own import LONGEST_TITLE
from analysis.own.reports import create_own_report
from analysis.own.tables import Table, listed
from generation.datasets import DatasetError

TABLES = ("ratings", "rankings", "metrics")
BETTER = [
    ("", "as the table or the metric's name says"),
    ("higher", "higher"),
    ("lower", "lower"),
    ("neither", "neither"),
]


class OwnRatingsForm(forms.Form):
    title = forms.CharField(max_length=LONGEST_TITLE, label="Title of the report")
    ratings = forms.FileField(help_text="CSV: case, arm, reader, criterion, score.")
    rankings = forms.FileField(required=False, help_text="CSV: case, arm, reader, rank.")
    metrics = forms.FileField(required=False, help_text="CSV: case, arm, metric, value.")
    better = forms.ChoiceField(
        choices=BETTER, required=False, label="Better is, for metrics that don't say it"
    )
    claims = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Claims named in advance",
        help_text="One a line, metric:criterion, and only those that were written down before "
        "anyone looked. All else is called exploratory.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, field in self.fields.items():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if select else "form-control"
            if name in TABLES:
                field.widget.attrs["accept"] = ".csv,text/csv"

    def save(self, by: User) -> Report | None:
        """The queued report; None, with all that is wrong at the form, where there is none."""
        data = self.cleaned_data
        try:
            ratings, rankings, metrics = (
                Table.of(data[name].name, data[name].read()) if data[name] else None
                for name in TABLES
            )
            assert ratings  # the field is required
            return create_own_report(
                title=data["title"],
                by=by,
                ratings=ratings,
                rankings=rankings,
                metrics=metrics,
                better=data["better"],
                claims=[line for line in data["claims"].splitlines() if line.strip()],
            )
        except DatasetError as error:
            self.add_error(None, listed(error.problems))
        return None
