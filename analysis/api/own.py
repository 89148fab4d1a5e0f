"""Ratings that were made elsewhere, analysed as a study's are."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.api.reports import ReportSerializer
from analysis.models import OwnRatings
from analysis.own.form import TABLES, OwnRatingsForm
from generation.api.fields import sent_as
from generation.api.problems import check_form, saved
from generation.api.resource import Resource


class OwnRatingsSerializer(serializers.ModelSerializer):
    reports = serializers.PrimaryKeyRelatedField[OwnRatings](many=True, read_only=True)

    class Meta:
        model = OwnRatings
        fields = ["id", "title", "created_at", "reports"]


SentRatings = sent_as(OwnRatingsForm, "SentRatings")


@extend_schema(tags=["Results"])
@extend_schema_view(
    list=extend_schema(summary="Ratings of one's own that were made elsewhere"),
    retrieve=extend_schema(summary="Ratings that were made elsewhere"),
    destroy=extend_schema(summary="Delete them, with their reports"),
)
class Ratings(mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, Resource):
    scope = "results"
    queryset = OwnRatings.objects.none()
    serializer_class = OwnRatingsSerializer
    parser_classes = [MultiPartParser]

    def get_queryset(self) -> QuerySet[OwnRatings]:
        rows = OwnRatings.objects.filter(owner=self.user)
        return rows.prefetch_related("reports").order_by("-pk")

    @extend_schema(
        summary="Have ratings analysed that were made elsewhere",
        request={"multipart/form-data": SentRatings},
        responses={202: ReportSerializer},
    )
    def create(self, request: Request) -> Response:
        """CSV tables (docs/own-ratings.md). A worker computes the report."""
        data = self.given(SentRatings)
        files = {name: data.pop(name) for name in TABLES if name in data}
        form = OwnRatingsForm(data, files)
        check_form(form)
        report = saved(form, form.save(self.user))
        return Response(
            ReportSerializer(report, context=self.get_serializer_context()).data, status=202
        )
