"""Studies as archives: taken home, and brought in."""

from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.api.reports import visible
from analysis.models import Export, Restore
from analysis.takeout.jobs import create_export, create_restore
from annotation.models import Study
from generation.api.fields import Sent, YesNo
from generation.api.problems import Refused
from generation.api.progress import PROGRESS, Job, ProgressSerializer, RetriedJob


class ExportSerializer(ProgressSerializer):
    there = serializers.SerializerMethodField(help_text="Whether its file can be downloaded.")

    class Meta:
        model = Export
        fields = ["id", "images", "there", "size", "sha256", *PROGRESS]

    def get_there(self, export: Export) -> bool:
        return bool(export.file) and export.status == Export.Status.DONE


class SentExport(Sent):
    images = YesNo(
        required=False,
        default=True,
        help_text="With image files; without them it can't be imported.",
    )


@extend_schema(tags=["Results"])
@extend_schema_view(
    list=extend_schema(summary="Exports of a study"),
    retrieve=extend_schema(summary="An export, and how far it is"),
)
class Exports(RetriedJob):
    scope = "results"
    queryset = Export.objects.none()
    serializer_class = ExportSerializer

    @property
    def study(self) -> Study:
        return visible(Study.objects.managed_by(self.user), slug=self.kwargs["slug"])

    def get_queryset(self) -> QuerySet[Export]:
        return self.study.exports.order_by("-pk")

    @extend_schema(
        summary="Ask for an export",
        request=SentExport,
        responses={202: ExportSerializer},
        examples=[OpenApiExample("To share", value={"images": False}, request_only=True)],
    )
    def create(self, request: Request, slug: str) -> Response:
        """A worker writes the archive; the same request again gives the one under way."""
        study = self.study
        images = self.given(SentExport)["images"]
        return Response(
            self.shown(create_export(study=study, by=self.user, images=images)), status=202
        )

    @extend_schema(
        summary="An export's file", responses={(200, "application/zip"): OpenApiTypes.BINARY}
    )
    def file(self, request: Request, slug: str, pk: int) -> FileResponse:
        export = self.get_object()
        if not self.study.exports.there().filter(pk=pk).exists():
            raise Refused("This export has no file: wait for it, or ask for another.")
        return FileResponse(
            default_storage.open(str(export.file)),
            content_type="application/zip",
            as_attachment=True,
            filename=f"{slug}.zip",
        )


class RestoreSerializer(ProgressSerializer):
    study = serializers.SlugRelatedField[Study](
        slug_field="slug", read_only=True, allow_null=True, help_text="That came in."
    )
    problems = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="All that is wrong with it."
    )

    class Meta:
        model = Restore
        fields = ["id", "file_name", "study", "problems", *PROGRESS]


class SentRestore(Sent):
    archive = serializers.FileField(help_text="An export with images.")


@extend_schema(tags=["Studies"])
@extend_schema_view(
    list=extend_schema(summary="One's own imports of studies"),
    retrieve=extend_schema(summary="An import: how far it is, what came in, what is wrong"),
)
class Restores(Job):
    scope = "studies"
    queryset = Restore.objects.none()
    serializer_class = RestoreSerializer
    parser_classes = [MultiPartParser]

    def get_queryset(self) -> QuerySet[Restore]:
        return Restore.objects.owned_by(self.user).select_related("study").order_by("-pk")

    @extend_schema(
        summary="Bring in a study that was exported elsewhere",
        request={"multipart/form-data": SentRestore},
        responses={202: RestoreSerializer},
    )
    def create(self, request: Request) -> Response:
        """All of it, or nothing. Readers become accounts that nobody can sign in to."""
        archive = self.given(SentRestore)["archive"]
        return Response(self.shown(create_restore(file=archive, by=self.user)), status=202)
