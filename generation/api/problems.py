"""How the API says that something can't be had: problem details (RFC 9457)."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:blindread:problem:"
OF_THE_WHOLE = "non_field_errors"
M = TypeVar("M")


class Refused(APIException):
    """It can't be done as things stand; the message says why and how to mend it."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "refused"


class Blinded(PermissionDenied):
    """Results by arm, as long as they are hidden."""

    default_code = "blinded"
    default_detail = "Results by arm stay hidden until the study is closed or unblinded."


class MissingScope(PermissionDenied):
    default_code = "missing_scope"


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class FieldProblem(serializers.Serializer):
    field = serializers.CharField(help_text="Its name; of a nested one with dots.")
    detail = serializers.CharField()


class Problem(serializers.Serializer):
    """Why it can't be had."""

    type = serializers.CharField(help_text=f"For programs: {TYPES}NAME, as in docs/api.md.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="For people: what is wrong and how to mend it.")
    errors = FieldProblem(many=True, required=False)  # type: ignore[assignment] # a field


def problem(*, code: str, status: int, title: str, detail: str, errors: Any = ()) -> dict[str, Any]:
    body = {
        "type": TYPES + code.replace("_", "-"),
        "title": title,
        "status": status,
        "detail": detail,
    }
    return {**body, "errors": errors} if errors else body


def field_problems(detail: Any, field: str = "") -> Iterator[dict[str, str]]:
    """One for each message of a `ValidationError`, however deep it lies."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            inside = field if name == OF_THE_WHOLE else f"{field}.{name}".lstrip(".")
            yield from field_problems(inner, inside)
    elif isinstance(detail, list):
        nested = any(isinstance(inner, Mapping) for inner in detail)
        for place, inner in enumerate(detail):
            yield from field_problems(inner, f"{field}.{place}".lstrip(".") if nested else field)
    else:
        yield {"field": field, "detail": str(detail)}


def check_form(form: forms.BaseForm) -> None:
    """Raises ValidationError with what a form's fields say."""
    if not form.is_valid():
        raise _errors_of(form)


def saved(form: forms.BaseForm, row: M | None) -> M:
    """What a form's `save` gave; raises ValidationError where it gave none."""
    if row is None:
        raise _errors_of(form)
    return row


def _errors_of(form: forms.BaseForm) -> ValidationError:
    return ValidationError(
        {
            OF_THE_WHOLE if name == NON_FIELD_ERRORS else name: list(map(str, said))
            for name, said in form.errors.items()
        }
    )
