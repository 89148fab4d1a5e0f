"""Runs: image sets asked of a generator."""

from django.db.models import Count, QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.fields import Sent, Whole, sent_as
from generation.api.problems import Refused, check_form, saved
from generation.api.progress import PROGRESS, ProgressSerializer
from generation.api.resource import Resource
from generation.models import Chunk, Generator, Image, Run
from generation.run_form import RunForm
from generation.run_views import archive_of
from generation.runs import enqueue_run


class RunSerializer(ProgressSerializer):
    generator = serializers.SlugRelatedField[Generator](slug_field="slug", read_only=True)
    image_sets = serializers.IntegerField(source="sets", read_only=True, help_text="How many.")

    class Meta:
        model = Run
        fields = [
            "id", "generator", "image_sets", "images_per_set", "seed", "priority", *PROGRESS,
        ]  # fmt: skip


class ChunkSerializer(ProgressSerializer):
    class Meta:
        model = Chunk
        fields = ["number", "attempts", *PROGRESS]


class SentPriority(Sent):
    priority = serializers.ChoiceField(choices=Run.Priority.choices)


class SentChunk(Sent):
    chunk = Whole(
        required=False, min_value=1, max_value=10**9, help_text="Only this one; else all that can."
    )


class RunFilter(filters.FilterSet):
    generator = filters.CharFilter(field_name="generator__slug", label="Slug of the generator.")

    class Meta:
        model = Run
        fields = ["status", "generator", "priority"]


SentRun = sent_as(RunForm, "SentRun", optional=["images_per_set", "seed", "priority"])


@extend_schema(tags=["Generation"])
@extend_schema_view(
    list=extend_schema(summary="One's own runs"),
    retrieve=extend_schema(summary="A run"),
)
class Runs(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope = "data"
    queryset = Run.objects.none()
    serializer_class = RunSerializer
    filterset_class = RunFilter

    def get_queryset(self) -> QuerySet[Run]:
        rows = Run.objects.owned_by(self.user).select_related("generator")
        return rows.annotate(sets=Count("image_sets")).order_by("-pk")

    def answered(self, run: Run, status: int = 200) -> Response:
        """The run as it is now."""
        return Response(self.shown(self.get_queryset().get(pk=run.pk)), status=status)

    @extend_schema(summary="Ask for images", request=SentRun, responses={201: RunSerializer})
    def create(self, request: Request) -> Response:
        """An image set for each prompt of a data set, rephrasings among them. It waits for a
        worker."""
        form = RunForm({**_first_values(), **self.given(SentRun)})
        check_form(form)
        return self.answered(saved(form, form.save(self.user)), 201)

    @extend_schema(summary="Change a run's priority", request=SentPriority, responses=RunSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        run = self.get_object()
        Run.objects.filter(pk=run.pk).update(priority=self.given(SentPriority)["priority"])
        return self.answered(run)

    @extend_schema(summary="Cancel a run", request=None, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """At once where it waits, after the batch where a worker is at it."""
        run = self.get_object()
        run.cancel()
        return self.answered(run)

    @extend_schema(summary="Try a run again", request=SentChunk, responses=RunSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: int) -> Response:
        """What failed or was cancelled; images that are there stay."""
        run = self.get_object()
        number = self.given(SentChunk).get("chunk")
        chunks = run.chunks.filter(number=number) if number else None
        if not run.retry(chunks):
            raise Refused("There is nothing to try again: it goes on, or it is done.")
        enqueue_run(run)
        return self.answered(run)

    @extend_schema(
        summary="A run's images as a ZIP",
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def archive(self, request: Request, pk: int) -> StreamingHttpResponse:
        """Those that are there, with a manifest and their digests."""
        run = self.get_object()
        if not Image.objects.filter(image_set__run=run).exists():
            raise Refused("This run has no images yet.")
        return archive_of(run)


@extend_schema(tags=["Generation"])
@extend_schema_view(list=extend_schema(summary="The parts of a run, which workers share"))
class RunChunks(mixins.ListModelMixin, Resource):
    scope = "data"
    queryset = Chunk.objects.none()
    serializer_class = ChunkSerializer

    def get_queryset(self) -> QuerySet[Chunk]:
        run = get_object_or_404(Run.objects.owned_by(self.user), pk=self.kwargs["pk"])
        return run.chunks.order_by("number")


def _first_values() -> dict[str, object]:
    fields = RunForm.base_fields.items()
    return {name: field.initial for name, field in fields if field.initial is not None}
