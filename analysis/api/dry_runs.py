"""Dry runs: a copy of a study, read by simulated readers."""

import re

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.dry_runs import MOST_READERS, create_dry_run, delete_dry_run
from analysis.models import DryRun
from analysis.simulated_readers import MOST_EFFECT, PROFILES
from annotation.api.parts import OfStudy
from annotation.models import Study
from generation.api.fields import Number, Sent, Whole
from generation.api.progress import PROGRESS, ProgressSerializer, RetriedJob
from generation.runs import MAX_SEED

_POSITION = re.compile("[1-9][0-9]{0,3}")


class DryRunSerializer(ProgressSerializer):
    copy = serializers.SlugRelatedField[Study](
        slug_field="slug", read_only=True, allow_null=True, help_text="The study that was read."
    )
    readers = serializers.DictField(child=serializers.IntegerField(), read_only=True)
    effects = serializers.DictField(child=serializers.FloatField(), read_only=True)

    class Meta:
        model = DryRun
        fields = ["id", "copy", "readers", "effects", "seed", *PROGRESS]


class SentDryRun(Sent):
    readers = serializers.DictField(
        child=Whole(min_value=0, max_value=MOST_READERS),
        help_text=f"How many of each profile: {', '.join(PROFILES)}.",
    )
    effects = serializers.DictField(
        child=Number(min_value=-MOST_EFFECT, max_value=MOST_EFFECT),
        required=False,
        default=dict,
        help_text="By position of the arm, how many points it is truly better.",
    )
    seed = Whole(required=False, default=1, min_value=0, max_value=MAX_SEED - 1)

    def validate_effects(self, effects: dict[str, float]) -> dict[int, float]:
        if wrong := [arm for arm in effects if not _POSITION.fullmatch(arm)]:
            raise ValidationError(f"“{wrong[0]}” is no position of an arm: they count from 1.")
        return {int(arm): effect for arm, effect in effects.items()}


EXAMPLE = {"readers": {"expert": 2, "lazy": 1}, "effects": {"1": 1.5}}


@extend_schema(tags=["Studies"])
@extend_schema_view(
    list=extend_schema(summary="Dry runs of a study"),
    retrieve=extend_schema(summary="A dry run, and how far it is"),
)
class DryRuns(RetriedJob, OfStudy):
    queryset = DryRun.objects.none()
    serializer_class = DryRunSerializer

    def get_queryset(self) -> QuerySet[DryRun]:
        return self.study.dry_runs.select_related("copy").order_by("-pk")

    @extend_schema(
        summary="Let simulated readers read a copy of a study",
        request=SentDryRun,
        responses={202: DryRunSerializer},
        examples=[OpenApiExample("Three readers", value=EXAMPLE, request_only=True)],
    )
    def create(self, request: Request, slug: str) -> Response:
        """Before it is opened, to see the report it would give. `copy` is the study that they
        read; its report comes with it."""
        study = get_object_or_404(Study.objects.managed_by(self.user).real(), slug=slug)
        dry_run = create_dry_run(study=study, by=self.user, **self.given(SentDryRun))
        return Response(self.shown(dry_run), status=202)

    @extend_schema(summary="Delete a dry run, with its copy")
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        delete_dry_run(dry_run=self.get_object(), by=self.user)
        return Response(status=204)
