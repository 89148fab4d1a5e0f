"""Who is a researcher: a member of the group "Researchers", or a superuser."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django_htmx.middleware import HtmxDetails

RESEARCHERS = "Researchers"
View = Callable[..., HttpResponseBase]


class Request(HttpRequest):
    """A request as views get it: of somebody who is signed in (LoginRequiredMiddleware)."""

    user: User
    htmx: HtmxDetails
    in_english: bool  # whatever the language of who asks


def is_researcher(user: User | AnonymousUser) -> bool:
    return user.is_authenticated and (
        user.is_superuser or user.groups.filter(name=RESEARCHERS).exists()
    )


def researcher_required(view: View) -> View:
    """Refuse (403) everyone else; sign-in itself is the middleware's matter."""
    view = english(view)

    @wraps(view)
    def checked(request: HttpRequest, *args, **kwargs) -> HttpResponseBase:
        if not is_researcher(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked


def english(view: View) -> View:
    """Answer in English: only readers' pages are translated (docs/languages.md)."""

    @wraps(view)
    def answered(request: Request, *args, **kwargs) -> HttpResponseBase:
        request.in_english = True
        with translation.override("en"):
            response = view(request, *args, **kwargs)
        response.headers["Content-Language"] = "en"
        return response

    return answered


def context(request: HttpRequest) -> dict[str, object]:
    """Template context: whether to show the researcher's part of the navigation."""
    return {"is_researcher": is_researcher(request.user)}
