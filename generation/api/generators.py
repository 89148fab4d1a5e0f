"""Generators and trainings."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.fields import Sent, Text, sent_as
from generation.api.problems import Refused, check_form, saved
from generation.api.progress import PROGRESS, Job, ProgressSerializer
from generation.api.resource import Resource
from generation.forms import BASES, TrainingForm
from generation.jobs import enqueue
from generation.models import Dataset, Generator, Training
from generation.training.config import TrainingConfigError
from generation.training_settings import as_lines
from generation.trainings import TrainingError, change_training


class GeneratorSerializer(serializers.ModelSerializer):
    trained_on = serializers.SlugRelatedField[Dataset](
        slug_field="slug", read_only=True, allow_null=True
    )
    can_sample = serializers.BooleanField(
        read_only=True, help_text="Not of one whose images were imported."
    )
    settings = serializers.DictField(read_only=True)
    card = serializers.DictField(read_only=True)

    class Meta:
        model = Generator
        fields = [
            "slug", "name", "family", "checkpoint", "revision", "digest", "licence", "trained_on",
            "can_sample", "settings", "card", "created_at",
        ]  # fmt: skip


class GeneratorFilter(filters.FilterSet):
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name.")
    trained_on = filters.CharFilter(field_name="trained_on__slug", label="Slug of the data set.")

    class Meta:
        model = Generator
        fields = ["name", "family", "trained_on"]


@extend_schema(tags=["Generation"])
@extend_schema_view(
    list=extend_schema(summary="Generators"),
    retrieve=extend_schema(summary="A generator"),
)
class Generators(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope = "data"
    queryset = Generator.objects.none()
    serializer_class = GeneratorSerializer
    filterset_class = GeneratorFilter
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[Generator]:
        return Generator.objects.select_related("trained_on").order_by("name")


class TrainingSerializer(ProgressSerializer):
    dataset = serializers.SlugRelatedField[Dataset](slug_field="slug", read_only=True)
    generator = serializers.SlugRelatedField[Generator](
        slug_field="slug", read_only=True, allow_null=True
    )
    config = serializers.DictField(read_only=True)

    class Meta:
        model = Training
        fields = [
            "id", "name", "family", "preset", "dataset", "split", "generator", "stage", "loss",
            "config", *PROGRESS,
        ]  # fmt: skip


SentTraining = sent_as(
    TrainingForm,
    "SentTraining",
    optional=["split"],
    without=["settings", "preset"],
    more={
        "preset": Text(required=False, max_length=40, help_text="“paper” where none is named."),
        "settings": serializers.DictField(
            required=False,
            default=dict,
            help_text="What shall differ from the preset, by name, base models among it.",
        ),
    },
)


class SentChanges(Sent):
    settings = serializers.DictField(
        required=False, default=dict, help_text="What shall be other than before, by name."
    )


class TrainingFilter(filters.FilterSet):
    class Meta:
        model = Training
        fields = ["status", "family"]


@extend_schema(tags=["Generation"])
@extend_schema_view(
    list=extend_schema(summary="One's own trainings"),
    retrieve=extend_schema(summary="A training"),
)
class Trainings(Job):
    scope = "data"
    queryset = Training.objects.none()
    serializer_class = TrainingSerializer
    filterset_class = TrainingFilter

    def get_queryset(self) -> QuerySet[Training]:
        rows = Training.objects.owned_by(self.user)
        return rows.select_related("dataset", "generator").order_by("-pk")

    @extend_schema(
        summary="Train a generator", request=SentTraining, responses={201: TrainingSerializer}
    )
    def create(self, request: Request) -> Response:
        """It waits for a worker. The settings are those of `manage.py train FAMILY --help`."""
        data: dict[str, Any] = self.given(SentTraining)
        settings = data.pop("settings")
        bases = {name: settings.pop(name) for name in BASES if name in settings}
        first = {"split": "train", "preset": "paper"}
        form = TrainingForm({**first, **data, **bases, "settings": as_lines(settings)}, initial={})
        check_form(form)
        training = saved(form, form.save(self.user))
        return Response(self.shown(self.get_queryset().get(pk=training.pk)), status=201)

    @extend_schema(
        summary="Go on with a training", request=SentChanges, responses=TrainingSerializer
    )
    def retry(self, request: Request, **place: object) -> Response:
        """From its last checkpoint, with other settings where some are given."""
        training = self.get_object()
        changes = self.given(SentChanges)["settings"]
        try:
            if changes:
                change_training(training, changes)
        except (TrainingConfigError, TrainingError) as error:
            raise ValidationError({"settings": str(error).splitlines()}) from error
        if not training.retry():
            raise Refused("It goes on already, or it is done.")
        enqueue(training)
        return self.now(training)
