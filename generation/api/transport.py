"""How the API reads what is sent, and in what and how many pages it answers.

The settings name these, and `rest_framework.views` imports them: nothing here may import a view.
"""

from collections.abc import Iterable, Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_MOST_PAGES = 10**9 - 1


class ShallowJSONParser(JSONParser):
    """JSON, but for what is nested so deeply that Python gives up on it."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error - it is nested too deeply.") from error


class AlwaysJSON(BaseContentNegotiation):
    """Answers are JSON, whatever is accepted; files are what they are."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        kind = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == kind), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class Pages(PageNumberPagination):
    """Of every list. An unknown name in the query or one without a value is an error: else a word
    that is spelled wrongly would choose everything."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        _check_query(request, view)
        return super().paginate_queryset(queryset, request, view)

    def get_page_number(self, request: Request, paginator: Any) -> int:
        text = request.query_params.get(self.page_query_param)
        return number_in(text, name=self.page_query_param, most=_MOST_PAGES) or 1

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param)
        asked = number_in(text, name=self.page_size_query_param, most=self.max_page_size)
        return asked or self.page_size


def _check_query(request: Request, view: Any) -> None:
    own = getattr(view.filterset_class, "base_filters", {})
    known = [*own, view.paginator.page_query_param, view.paginator.page_size_query_param]
    wrong = {
        name: ["Give one value."]
        for name, values in request.query_params.lists()
        if values == [""] or len(values) > 1
    }
    wrong |= {
        name or "?": [f"There is no such filter; there are: {', '.join(known)}."]
        for name in request.query_params
        if name not in known
    }
    if wrong:
        raise ValidationError(wrong)


def number_in(text: str | None, *, name: str, most: int) -> int | None:
    """A whole number from 1 in the query; None where there is none."""
    if text is None:
        return None
    if not (len(text) <= 9 and text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValidationError({name: [f"Give a whole number from 1 to {most}."]})
    return int(text)
