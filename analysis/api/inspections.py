"""Inspections: what a person should look at among a study's images before sealing."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.gallery import finished_inspection
from analysis.inspections import create_inspection
from analysis.models import ImageFlag, Inspection, Neighbour
from annotation.api.parts import OfStudy
from generation.api.progress import PROGRESS, ProgressSerializer, RetriedJob


class InspectionSerializer(ProgressSerializer):
    class Meta:
        model = Inspection
        fields = ["id", "embedder", *PROGRESS]


@extend_schema(tags=["Studies"])
@extend_schema_view(
    list=extend_schema(summary="Inspections of a study's images"),
    retrieve=extend_schema(summary="An inspection, and how far it is"),
)
class Inspections(RetriedJob, OfStudy):
    queryset = Inspection.objects.none()
    serializer_class = InspectionSerializer

    def get_queryset(self) -> QuerySet[Inspection]:
        return self.study.inspections.order_by("-pk")

    @extend_schema(
        summary="Inspect a study's images", request=None, responses={202: InspectionSerializer}
    )
    def create(self, request: Request, slug: str) -> Response:
        """By rules, and beside their nearest training images; a worker does it."""
        inspection = create_inspection(study=self.managed, by=self.user)
        return Response(self.shown(inspection), status=202)


class FlagSerializer(serializers.ModelSerializer):
    case = serializers.IntegerField(source="case_set.case.position", read_only=True)
    arm = serializers.IntegerField(source="case_set.arm.position", read_only=True)

    class Meta:
        model = ImageFlag
        fields = ["case", "arm", "image", "kind", "detail"]


class NeighbourSerializer(serializers.ModelSerializer):
    class Meta:
        model = Neighbour
        fields = ["image", "training", "distance", "as_near"]


class _Found(mixins.ListModelMixin, OfStudy):
    """Of the newest inspection that is done."""

    of: str
    queryset: Any

    def get_queryset(self) -> Any:
        inspection = finished_inspection(self.study)
        found: Any = inspection and getattr(inspection, self.of)
        return found.all() if found else type(self).queryset


@extend_schema(tags=["Studies"])
@extend_schema_view(list=extend_schema(summary="Images that somebody should look at, and why"))
class ImageFlags(_Found):
    queryset = ImageFlag.objects.none()
    serializer_class = FlagSerializer
    of = "flags"

    def get_queryset(self) -> Any:
        rows = super().get_queryset().now().select_related("case_set__case", "case_set__arm")
        return rows.order_by("case_set__case__position", "case_set__arm__position", "image", "pk")


@extend_schema(tags=["Studies"])
@extend_schema_view(list=extend_schema(summary="The nearest training image of each image"))
class Neighbours(_Found):
    queryset = Neighbour.objects.none()
    serializer_class = NeighbourSerializer
    of = "neighbours"
