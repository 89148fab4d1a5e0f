"""What all of the API's views have in common."""

from typing import Any, ClassVar, cast

from django.contrib.auth.models import User
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import translation
from django.views.decorators.cache import never_cache
from django_filters.rest_framework import FilterSet
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet


class Resource(GenericViewSet):
    """A kind of thing of the API.

    Attributes:
        scope: what access tokens must be allowed to read or write; "" where any token will do.
    """

    scope: ClassVar[str] = ""
    lookup_value_converter = "int"
    filterset_class: type[FilterSet] | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override("en"):  # as on researchers' pages
            answer = never_cache(super().dispatch)
            return answer(request, *args, **kwargs)

    @property
    def user(self) -> User:
        return cast(User, self.request.user)

    def given(self, kind: type[BaseSerializer]) -> dict[str, Any]:
        """What was sent, checked."""
        serializer = kind(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def shown(self, row: Model) -> Any:
        """A row as this view's serializer shows it."""
        return self.get_serializer(row).data

    def paged(self, rows: Any, kind: type[BaseSerializer]) -> Any:
        """A page of rows that are not this view's own."""
        page = self.paginate_queryset(rows)
        context = self.get_serializer_context()
        return self.get_paginated_response(kind(page, many=True, context=context).data)


def at(address: str, view: type[Resource], name: str, **actions: str) -> URLPattern:
    """An address and, by method, what the view does there."""
    done: dict[str, Any] = dict(actions)
    return path(address, view.as_view(done), name=name)
