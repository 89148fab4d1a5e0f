"""Accounts that stand for readers whom nobody here knows, and that nobody can sign in to."""

import secrets

from django.contrib.auth.models import User


def placeholder(study: str, number: int) -> User:
    """A new account in the place of a reader of the study with this slug."""
    name = f"{study[:60]}-r{number}"
    if User.objects.filter(username=name).exists():
        name = f"{name}-{secrets.token_hex(4)}"
    return User.objects.create_user(name, is_active=False)


def is_placeholder(user: User) -> bool:
    """Whether no person stands behind an account; theirs may be inactive, but has a password."""
    return not user.is_active and not user.has_usable_password()
