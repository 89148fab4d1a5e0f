"""ZIPs that are sent: data sets, and image sets that were made elsewhere."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.fields import sent_as
from generation.api.problems import check_form, saved
from generation.api.progress import PROGRESS, Job, ProgressSerializer
from generation.models import Dataset, Generator, Upload
from generation.upload_form import DatasetForm, SetsForm


class UploadSerializer(ProgressSerializer):
    dataset = serializers.SlugRelatedField[Dataset](
        slug_field="slug", read_only=True, allow_null=True, help_text="That came in."
    )
    generator = serializers.SlugRelatedField[Generator](
        source="run.generator",
        slug_field="slug",
        read_only=True,
        allow_null=True,
        help_text="That came in, with its image sets.",
    )
    problems = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="All that is wrong in the ZIP."
    )

    class Meta:
        model = Upload
        fields = [
            "id", "kind", "name", "file_name", "dataset", "generator", "summary", "problems",
            *PROGRESS,
        ]  # fmt: skip


class UploadFilter(filters.FilterSet):
    class Meta:
        model = Upload
        fields = ["kind", "status"]


@extend_schema(tags=["Data"])
@extend_schema_view(
    list=extend_schema(summary="One's own uploads"),
    retrieve=extend_schema(summary="An upload: how far it is, what came in, what is wrong"),
)
class Uploads(Job):
    scope = "data"
    queryset = Upload.objects.none()
    serializer_class = UploadSerializer
    filterset_class = UploadFilter

    def get_queryset(self) -> QuerySet[Upload]:
        rows = Upload.objects.owned_by(self.user).select_related("dataset", "run__generator")
        return rows.order_by("-pk")

    def uploaded(self, sent: type[serializers.Serializer], form: Any) -> Response:
        """What becomes of a ZIP."""
        data = self.given(sent)
        filled = form(data, {"archive": data.pop("archive")})
        check_form(filled)
        upload = saved(filled, filled.save(self.user))
        return Response(self.shown(self.get_queryset().get(pk=upload.pk)), status=202)


SentDataset = sent_as(DatasetForm, "SentDatasetArchive")
SentSets = sent_as(SetsForm, "SentSetsArchive")


@extend_schema(tags=["Data"])
class UploadedDatasets(Uploads):
    parser_classes = [MultiPartParser]

    @extend_schema(
        summary="Upload a data set as a ZIP",
        request={"multipart/form-data": SentDataset},
        responses={202: UploadSerializer},
    )
    def create(self, request: Request) -> Response:
        """A worker checks and imports it: all of it, or nothing."""
        return self.uploaded(SentDataset, DatasetForm)


@extend_schema(tags=["Data"])
class UploadedSets(Uploads):
    parser_classes = [MultiPartParser]

    @extend_schema(
        summary="Upload image sets that were made elsewhere as a ZIP",
        request={"multipart/form-data": SentSets},
        responses={202: UploadSerializer},
    )
    def create(self, request: Request) -> Response:
        """They become a generator. A worker checks and imports them: all of them, or nothing."""
        return self.uploaded(SentSets, SetsForm)
