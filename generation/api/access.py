"""Who may use the API: researchers, signed in or by an access token that has the scope."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from knox.auth import TokenAuthentication as KnoxAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from generation.api.problems import MissingScope
from generation.models import AccessToken
from generation.permissions import is_researcher

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module

_NOTED = timedelta(minutes=1)  # between two notes of a token's use


class TokenAuthentication(KnoxAuthentication):
    """``Authorization: Bearer br_…``"""

    def authenticate_credentials(self, token: bytes) -> tuple[User, AccessToken]:
        try:
            token.decode("ascii")
            user, found = super().authenticate_credentials(token)
        except (UnicodeDecodeError, AuthenticationFailed) as error:
            raise AuthenticationFailed(
                "This access token is unknown, expired or revoked: make another on the page "
                "“Access tokens”."
            ) from error
        now = timezone.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _NOTED)
        AccessToken.objects.filter(stale, pk=found.pk).update(last_used_at=now)
        return user, found


class MayUse(BasePermission):
    """A researcher; and with a token, one that has the scope of what is asked for."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            return False
        if not is_researcher(request.user):
            raise PermissionDenied("The API is for researchers; this account is none.")
        scope = scope_of(view, request.method or "")
        token = request.auth
        if scope and isinstance(token, AccessToken) and not token.allows(scope):
            raise MissingScope(f"This access token lacks the scope {scope}.")
        return True


def scope_of(view: Any, method: str) -> str:
    """What a token needs for this, for example "studies:read"; "" where any token will do."""
    what = getattr(view, "scope", "")
    return what and f"{what}:{'read' if method in SAFE_METHODS else 'write'}"
