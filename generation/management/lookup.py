"""Rows named on the command line."""

from typing import TypeVar

from django.core.management.base import CommandError
from django.db.models import Model

M = TypeVar("M", bound=Model)


def one(model: type[M], key: str, *, field: str = "slug") -> M:
    """The row with this key; raises `CommandError` naming those that exist."""
    rows = model._default_manager
    found = rows.filter(**{field: key}).first()
    if found is None:
        keys = rows.order_by(field).values_list(field, flat=True)[:20]
        known = ", ".join(map(str, keys)) or "none yet"
        raise CommandError(f"No {model._meta.verbose_name} “{key}”; there are: {known}.")
    return found
