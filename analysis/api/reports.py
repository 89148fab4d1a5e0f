"""Reports on studies, and the answers themselves: once results may be seen."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.models import Report
from analysis.pdf import PdfError, kept_pdf
from analysis.reports import create_report
from annotation.models import Study
from annotation.protocols.plan import LEAST_RESAMPLES, MOST_RESAMPLES
from generation.api.fields import Sent, Text, Whole
from generation.api.problems import Blinded, Refused
from generation.api.progress import PROGRESS, ProgressSerializer, RetriedJob
from generation.api.resource import Resource
from generation.runs import MAX_SEED

CSV = {(200, "text/csv"): OpenApiTypes.STR}


class ReportSerializer(ProgressSerializer):
    study = serializers.SlugRelatedField[Study](slug_field="slug", read_only=True, allow_null=True)
    figures = serializers.SerializerMethodField(help_text="Their names.")

    class Meta:
        model = Report
        fields = ["id", "study", "embedder", "resamples", "seed", "figures", *PROGRESS]

    def get_figures(self, report: Report) -> list[str]:
        return sorted(figure.name for figure in report.figures.all())


class SentReport(Sent):
    study = Text(max_length=60, help_text="Slug of the study.")
    embedder = Text(
        required=False, max_length=80, help_text="What features come from; else this site's."
    )
    resamples = Whole(required=False, min_value=LEAST_RESAMPLES, max_value=MOST_RESAMPLES)
    seed = Whole(required=False, min_value=0, max_value=MAX_SEED - 1)


class ReportFilter(filters.FilterSet):
    study = filters.CharFilter(field_name="study__slug", label="Slug of the study.")

    class Meta:
        model = Report
        fields = ["study", "status"]


def visible(rows: Any, **key: Any) -> Any:
    """A study or a report that may be seen.

    Raises:
        Http404: there is none among these rows.
        Blinded: its results are hidden.
    """
    found = get_object_or_404(rows, **key)
    if not found.results_visible:
        raise Blinded
    return found


@extend_schema(tags=["Results"])
@extend_schema_view(
    list=extend_schema(summary="Reports that may be seen"),
    retrieve=extend_schema(summary="A report, and how far it is"),
)
class Reports(RetriedJob):
    scope = "results"
    queryset = Report.objects.none()
    serializer_class = ReportSerializer
    filterset_class = ReportFilter

    def get_queryset(self) -> QuerySet[Report]:
        rows = Report.objects.managed_by(self.user).select_related("study")
        return rows.filter(Q(study=None) | Q(study__in=Study.objects.unhidden())).prefetch_related(
            "figures"
        )

    def get_object(self) -> Report:
        rows = Report.objects.managed_by(self.user).select_related("study", "own")
        return visible(rows, pk=self.kwargs["pk"])

    @extend_schema(
        summary="Ask for a report", request=SentReport, responses={202: ReportSerializer}
    )
    def create(self, request: Request) -> Response:
        """A worker computes it; the same request again gives the one that is under way."""
        sent = self.given(SentReport)
        study = Study.objects.managed_by(self.user).filter(slug=sent.pop("study")).first()
        if study is None:
            raise ValidationError({"study": ["There is no such study, or it isn't yours."]})
        if not study.results_visible:
            raise Blinded
        return Response(self.shown(create_report(study=study, by=self.user, **sent)), status=202)

    def _done(self) -> Report:
        report = self.get_object()
        if not report.results:
            raise Refused("This report has no results yet: wait for it, see `status`.")
        return report

    @extend_schema(summary="A report's numbers", responses=OpenApiTypes.OBJECT)
    @action(detail=True, filter_backends=[], pagination_class=None)
    def results(self, request: Request, pk: int) -> Response:
        """Every number that the page shows (docs/report.md)."""
        return Response(self._done().results)

    @extend_schema(
        summary="A report as a ZIP", responses={(200, "application/zip"): OpenApiTypes.BINARY}
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def archive(self, request: Request, pk: int) -> HttpResponse:
        """Tables, figures, numbers and their digests."""
        from analysis.export import zip_of  # pandas, matplotlib

        return HttpResponse(zip_of(self._done()), content_type="application/zip")

    @extend_schema(
        summary="A report as PDF", responses={(200, "application/pdf"): OpenApiTypes.BINARY}
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def pdf(self, request: Request, pk: int) -> HttpResponse:
        """As its page shows it."""
        try:
            content = kept_pdf(self._done())
        except PdfError as error:
            raise Refused(str(error)) from error
        return HttpResponse(content, content_type="application/pdf")

    @extend_schema(
        summary="A figure of a report", responses={(200, "image/svg+xml"): OpenApiTypes.STR}
    )
    def figure(self, request: Request, pk: int, name: str) -> HttpResponse:
        figure = get_object_or_404(self.get_object().figures, name=name)
        return HttpResponse(figure.svg, content_type="image/svg+xml")

    @extend_schema(summary="A table of a report as CSV", responses=CSV)
    def table(self, request: Request, pk: int, name: str) -> HttpResponse:
        from analysis.export import csv_files  # pandas

        files = csv_files(self._done())
        if name not in files:
            raise NotFound(f"There are: {', '.join(files)}.")
        return HttpResponse(files[name](), content_type="text/csv")


@extend_schema(tags=["Results"])
class StudyData(Resource):
    scope = "results"

    @extend_schema(
        summary="Answers of a study as CSV",
        responses=CSV,
        parameters=[
            OpenApiParameter(
                "name",
                str,
                "path",
                description="scores, rankings, comments, flags, activity or guesses.",
            )
        ],
    )
    def retrieve(self, request: Request, slug: str, name: str) -> HttpResponse:
        """Readers stand there by their pseudonyms."""
        from analysis.export import STUDY_TABLES, csv_text  # pandas

        study = visible(Study.objects.managed_by(self.user), slug=slug)
        if name not in STUDY_TABLES:
            raise NotFound(f"There are: {', '.join(STUDY_TABLES)}.")
        return HttpResponse(csv_text(STUDY_TABLES[name](study)), content_type="text/csv")
