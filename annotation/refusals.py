"""A record of every request for a reader's pages that was refused, for whoever runs the site."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import escape_uri_path

logger = logging.getLogger("annotation.refused")
_READERS = "/read/"
_MOST = 200  # characters of an address that are kept
AUDIT = "blindread.audit"  # in a request's environment; no header can put it there


def log_refusals(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: log who asked for what, and with which status (400 to 499) it was refused.

    The account stands there by its number, and nothing of what was sent: it may be anything.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        refused = request.path_info.startswith(_READERS) and 400 <= response.status_code < 500
        if refused and AUDIT not in request.META:
            user = getattr(request, "user", None)
            who = f"account {user.pk}" if user and user.pk else "nobody"
            where = escape_uri_path(request.path_info)[:_MOST]
            logger.warning("%s %s by %s: %s", request.method, where, who, response.status_code)
        return response

    return middleware
