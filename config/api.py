"""The API: its addresses, its description, and how it says what is wrong (docs/api.md)."""

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied as DjangoDenied
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import include, path, re_path
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler, set_rollback

from analysis.dry_runs import DryRunError
from analysis.inspections import InspectionError
from analysis.reports import ReportError
from analysis.takeout import TakeoutError
from annotation.design import DesignError
from annotation.errors import StudyError
from generation.api.problems import MEDIA_TYPE, Refused, TooLarge, field_problems, problem
from generation.imports import ImportRefused
from generation.manifest import ManifestError
from generation.permissions import english
from generation.removal import DatasetInUse
from generation.rephrasings import RephrasingError
from generation.runs import RunError
from generation.trainings import TrainingError

logger = logging.getLogger(__name__)
TITLES = {
    "invalid": "What was sent is not right",
    "parse_error": "What was sent can't be read",
    "not_authenticated": "Nobody is signed in",
    "authentication_failed": "This access token is not valid",
    "permission_denied": "This account may not do it",
    "missing_scope": "This access token may not do it",
    "blinded": "Results are hidden",
    "not_found": "There is no such thing",
    "method_not_allowed": "That can't be done here",
    "refused": "It can't be done as things stand",
    "too_large": "Too large",
    "unsupported_media_type": "Of another type than can be read",
    "throttled": "Too many requests",
    "error": "An error of the server",
}
# What services raise where something can't be done; the message says how to mend it.
REFUSALS = (
    DesignError,
    DatasetInUse,
    DryRunError,
    ImportRefused,
    InspectionError,
    ManifestError,
    RephrasingError,
    ReportError,
    RunError,
    StudyError,
    TakeoutError,
    TrainingError,
)


def as_problem(error: Exception, context: dict[str, Any]) -> Response:
    """Any error as problem details; what we did not foresee goes to the log, not to who asks."""
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is no such thing, or it isn't this account's.")
    elif isinstance(error, DjangoDenied):
        error = exceptions.PermissionDenied(*error.args)
    elif isinstance(error, REFUSALS):
        error = Refused(str(error))
    elif isinstance(error, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        error = TooLarge(f"The body is too large: {most} bytes are the most.")
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        set_rollback()
        request = context["request"]
        logger.exception("%s %s failed", request.method, request.path, exc_info=error)
        error = exceptions.APIException("The server failed here; whoever runs it finds why.")
        response = Response(status=error.status_code)
    code = _code(error)
    if isinstance(error, exceptions.ValidationError):
        errors = list(field_problems(error.detail))
        detail = " ".join(f"{e['field']}: {e['detail']}".removeprefix(": ") for e in errors[:3])
    else:
        errors, detail = [], str(error.detail)
    response.data = problem(
        code=code,
        status=response.status_code,
        title=TITLES[code],
        detail=detail,
        errors=errors,
    )
    response.content_type = MEDIA_TYPE
    return response


def _code(error: exceptions.APIException) -> str:
    code = error.default_code
    return code if isinstance(code, str) and code in TITLES else "error"


class Nothing(APIView):
    """Every other address under the API's."""

    permission_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise exceptions.NotFound(f"There is nothing at {request.path}: see /api/v1/openapi.json.")


@require_safe
@login_not_required
@english
def documentation(request: Any) -> HttpResponse:
    """The description of the API, to read and to try."""
    return render(request, "api.html")


urlpatterns = [
    path("", include("generation.api.urls")),
    path("", include("annotation.api.urls")),
    path("", include("analysis.api.urls")),
    path(
        "openapi.json",
        cache_page(60 * 60)(  # it takes seconds, and stays the same
            SpectacularJSONAPIView.as_view(
                permission_classes=[], authentication_classes=[], throttle_classes=[]
            )
        ),
        name="openapi",
    ),
    path("docs/", documentation, name="docs"),
    re_path("", Nothing.as_view(), name="nothing"),
]
