"""What all forms of a study's set-up look like."""

from typing import Any

from django import forms


class StyledForm(forms.Form):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.Select):
                field.widget.attrs["class"] = "form-select"
            elif isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs["class"] = "form-check-input"
            else:
                field.widget.attrs["class"] = "form-control"

    def raw(self) -> dict[str, Any]:
        """What was typed, right or wrong."""
        return {name: self[name].value() for name in self.fields}
