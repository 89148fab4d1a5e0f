"""What is sent to the API: strict about types and names, and, where a page has a form, as the form
takes it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django_filters import rest_framework as filters
from rest_framework import serializers

from generation.api.problems import OF_THE_WHOLE

MOST_KEY = 120  # characters of a row's name or slug
MOST_NAMED = 50  # rows named at once


class _Strict:
    """A JSON value of the very type; in a form all values are text."""

    types: tuple[type, ...]

    def to_internal_value(self, data: Any) -> Any:
        sent = getattr(self.root, "initial_data", None)  # type: ignore[attr-defined]
        if not isinstance(sent, QueryDict) and type(data) not in self.types:
            self.fail("invalid")  # type: ignore[attr-defined]
        return super().to_internal_value(data)  # type: ignore[misc]


class Text(_Strict, serializers.CharField):
    types = (str,)


class Whole(_Strict, serializers.IntegerField):
    types = (int,)


class YesNo(_Strict, serializers.BooleanField):
    types = (bool,)


class Number(_Strict, serializers.FloatField):
    types = (int, float)


class NumberOfRow(filters.Filter):
    """Rows by the number of another that they belong to."""

    field_class = forms.IntegerField

    def __init__(self, **given: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **given)


class _TrueOrFalseField(forms.Field):
    def to_python(self, value: str | None) -> bool | None:
        try:
            return {"": None, "true": True, "false": False}[(value or "").lower()]
        except KeyError:
            raise forms.ValidationError("Give true or false.") from None


class TrueOrFalse(filters.BooleanFilter):
    """Django's own takes any other word for none at all, and would choose everything."""

    field_class = _TrueOrFalseField

    def __init__(self, **given: Any) -> None:
        super().__init__(widget=forms.TextInput, **given)


class Sent(serializers.Serializer):
    """Something sent to the API; a name that it doesn't know is an error, not left alone."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := data.keys() - self.fields.keys()):
            raise serializers.ValidationError(
                {
                    str(name): [f"There is no such field; there are: {', '.join(self.fields)}."]
                    for name in unknown
                }
                if all(isinstance(name, str) and name for name in unknown)
                else {OF_THE_WHOLE: ["A field without a name."]}
            )
        return super().to_internal_value(data)


def sent_as(
    form: type[forms.Form],
    name: str,
    *,
    optional: Collection[str] = (),
    without: Collection[str] = (),
    more: Mapping[str, serializers.Field] | None = None,
) -> type[Sent]:
    """What a page's form takes, as a serializer; the form itself checks what its values mean.

    Args:
        name: of the serializer, in the description of the API.
        optional: fields that may be left out, as the form has a value to begin with.
        without: fields that the API doesn't take.
        more: fields beside the form's, or instead of them.
    """
    more = more or {}
    fields = {
        key: _field_of(field, required=field.required and key not in optional)
        for key, field in _fields(form)
        if key not in without and key not in more
    }
    return type(name, (Sent,), {**fields, **more, "__doc__": None})


def _fields(form: type[forms.Form]) -> Iterable[tuple[str, forms.Field]]:
    return form.base_fields.items()  # type: ignore[attr-defined]


def _field_of(field: forms.Field, *, required: bool) -> serializers.Field:
    said: dict[str, Any] = {"required": required}
    if text := str(field.help_text or field.label or ""):
        said["help_text"] = text
    match field:
        case forms.BooleanField():
            return YesNo(**said)
        case forms.FileField():
            return serializers.FileField(**said)
        case forms.IntegerField():
            bounds: dict[str, Any] = {"min_value": field.min_value, "max_value": field.max_value}
            return Whole(**bounds, allow_null=not field.required, **said)
        case forms.ChoiceField():  # those that name rows, too
            return _choice_of(field, said)
        case forms.CharField():
            most, blank = field.max_length, not field.required
            return Text(max_length=most, allow_blank=blank, trim_whitespace=field.strip, **said)
    raise TypeError(f"No field of the API stands for a form's {type(field).__name__}.")


def _choice_of(field: Any, said: dict[str, Any]) -> serializers.Field:
    if isinstance(field, forms.ModelMultipleChoiceField | forms.MultipleChoiceField):
        least = 1 if said["required"] else 0
        return serializers.ListField(
            child=Text(max_length=MOST_KEY), min_length=least, max_length=MOST_NAMED, **said
        )
    if isinstance(field, forms.ModelChoiceField) or not (choices := list(field.choices)):
        return Text(max_length=MOST_KEY, **said)
    return serializers.ChoiceField(choices=choices, **said)
