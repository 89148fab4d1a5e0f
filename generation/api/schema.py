"""How the API describes itself: every answer, the refusals among them, and the scope it needs."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework.permissions import SAFE_METHODS

from generation.api.access import TokenAuthentication, scope_of
from generation.api.problems import MEDIA_TYPE, Problem

_SAID = {
    400: "What was sent is not right; `errors` says what, field by field.",
    401: "Nobody is signed in, or the access token is unknown or expired.",
    403: "This account or access token may not do it, or results are hidden still.",
    404: "There is no such thing, or it isn't this account's.",
    409: "It can't be done as things stand; `detail` says why and how to mend it.",
    413: "The body is too large.",
    415: "The body is of another type than this takes.",
    429: "Too many requests; `Retry-After` says when to try again.",
}


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token, made on the page “Access tokens” or by "
            "`manage.py create_token`.",
        }


class Described(AutoSchema):
    """The schema of one operation."""

    def get_description(self) -> str:  # type: ignore[override] # as the one above has it
        scope = scope_of(self.view, self.method)
        needs = f"An access token needs the scope `{scope}`." if scope else ""
        return "\n\n".join(filter(None, (super().get_description(), needs)))

    def get_extensions(self) -> dict[str, Any]:
        scope = scope_of(self.view, self.method)
        return {**super().get_extensions(), **({"x-scope": scope} if scope else {})}

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction=direction)
        for status in self._refusals():
            if str(status) not in bodies:
                said = self._get_response_for_code(Problem, str(status), [MEDIA_TYPE], direction)
                bodies[str(status)] = {**said, "description": _SAID[status]}
        return dict(sorted(bodies.items()))

    def _refusals(self) -> set[int]:
        found = {401, 403, 429}
        writes = self.method not in SAFE_METHODS
        if "{" in self.path:
            found |= {404, 409}
        if self._is_list_view():
            found.add(404)  # a page beyond the last one
        if any(parameter["in"] == "query" for parameter in self._get_parameters()):
            found.add(400)
        if writes:
            found |= {400, 409}
        if self._get_request_body():
            found |= {413, 415}
        return found
