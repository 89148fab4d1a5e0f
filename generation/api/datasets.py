"""Data sets, their prompts, and images."""

import mimetypes

from django.db.models import Count, QuerySet
from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.fields import NumberOfRow, Sent, Text, TrueOrFalse
from generation.api.problems import Refused
from generation.api.resource import Resource
from generation.datasets.prompts import PromptRow
from generation.datasets.records import MAX_CAPTION
from generation.imports import import_prompts
from generation.manifest import with_provenance
from generation.models import Dataset, Image, ImageSet, Prompt
from generation.removal import delete_dataset

MOST_PROMPTS = 2000  # in one request


class DatasetSerializer(serializers.ModelSerializer):
    prompts = serializers.IntegerField(help_text="How many.", read_only=True, source="texts")
    splits = serializers.DictField(
        child=serializers.IntegerField(), help_text="Real images of each split.", read_only=True
    )

    class Meta:
        model = Dataset
        fields = [
            "slug", "name", "source", "licence", "phantom", "created_at", "prompts", "splits",
        ]  # fmt: skip


class SentPrompt(Sent):
    prompt = Text(max_length=MAX_CAPTION)
    rephrasing = Text(max_length=MAX_CAPTION, required=False, allow_blank=True, default="")
    reference_caption = Text(
        max_length=MAX_CAPTION,
        required=False,
        allow_blank=True,
        default="",
        help_text="Caption of real images that show what is asked, where it is another.",
    )


class SentDataset(Sent):
    slug = Text(max_length=120, help_text="Small letters, digits, hyphens.")
    name = Text(max_length=120)
    source = Text(  # type: ignore[assignment] # a field
        max_length=300, required=False, allow_blank=True, default=""
    )
    prompts = serializers.ListField(child=SentPrompt(), min_length=1, max_length=MOST_PROMPTS)

    def validate_prompts(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
        """Each text once, as in a prompts file."""
        seen: dict[str, int] = {}
        for place, row in enumerate(rows):
            for text in filter(None, (row["prompt"], row["rephrasing"])):
                if text in seen:
                    raise serializers.ValidationError(
                        f"“{text}” of number {place} stands in number {seen[text]} already."
                    )
                seen[text] = place
        return rows


class PromptSerializer(serializers.ModelSerializer):
    dataset = serializers.SlugRelatedField[Dataset](slug_field="slug", read_only=True)

    class Meta:
        model = Prompt
        fields = ["id", "dataset", "text", "reference_caption", "rephrasing_of"]


class PromptFilter(filters.FilterSet):
    text = filters.CharFilter(lookup_expr="icontains", label="Part of the text.")
    original = TrueOrFalse(
        field_name="rephrasing_of", lookup_expr="isnull", label="Only originals, or rephrasings."
    )

    class Meta:
        model = Prompt
        fields = ["text", "original"]


@extend_schema(tags=["Data"])
@extend_schema_view(
    list=extend_schema(summary="Data sets"),
    retrieve=extend_schema(summary="A data set"),
)
class Datasets(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope = "data"
    queryset = Dataset.objects.none()
    serializer_class = DatasetSerializer
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[Dataset]:
        return Dataset.objects.annotate(texts=Count("prompts")).order_by("name")

    @extend_schema(
        summary="Add a data set of prompts",
        request=SentDataset,
        responses={201: DatasetSerializer},
        examples=[
            OpenApiExample(
                "One pair",
                request_only=True,
                value={
                    "slug": "polyps",
                    "name": "Polyps",
                    "prompts": [
                        {
                            "prompt": "Generate an image with one polyp.",
                            "rephrasing": "Create a picture that shows a single polyp.",
                        }
                    ],
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        """Prompts, each with a rephrasing where there is one. All of them, or none."""
        data = self.given(SentDataset)
        rows = [PromptRow(**row) for row in data.pop("prompts")]
        dataset = import_prompts(**data, rows=rows, by=self.user)
        return Response(self.shown(self.get_queryset().get(pk=dataset.pk)), status=201)

    @extend_schema(summary="Delete a data set", request=None, responses={204: None})
    def destroy(self, request: Request, slug: str) -> Response:
        """One that you brought in, with its prompts, images and their files, as long as no study,
        run, training or generator was made of it. Uploads of image sets for its prompts,
        anybody's, that failed or were cancelled go too."""
        owned = get_object_or_404(Dataset.objects.owned_by(self.user), slug=slug)
        delete_dataset(dataset=owned, by=self.user)
        return Response(status=204)


@extend_schema(tags=["Data"])
@extend_schema_view(list=extend_schema(summary="Prompts of a data set"))
class DatasetPrompts(mixins.ListModelMixin, Resource):
    scope = "data"
    queryset = Prompt.objects.none()
    serializer_class = PromptSerializer
    filterset_class = PromptFilter

    def get_queryset(self) -> QuerySet[Prompt]:
        dataset = get_object_or_404(Dataset, slug=self.kwargs["slug"])
        return dataset.prompts.select_related("dataset").order_by("pk")


class ImageSerializer(serializers.ModelSerializer):
    dataset = serializers.SlugRelatedField[Dataset](
        slug_field="slug", read_only=True, allow_null=True
    )
    run = serializers.IntegerField(
        source="image_set.run_id", default=None, allow_null=True, read_only=True
    )
    prompt = serializers.IntegerField(
        source="image_set.prompt_id", default=None, allow_null=True, read_only=True
    )

    class Meta:
        model = Image
        fields = [
            "id", "kind", "sha256", "width", "height", "created_at", "dataset", "name", "split",
            "run", "prompt", "index", "seed", "provenance",
        ]  # fmt: skip


class ImageFilter(filters.FilterSet):
    dataset = filters.CharFilter(field_name="dataset__slug", label="Slug of the data set.")
    run = NumberOfRow(field_name="image_set__run", label="Number of the run.")
    prompt = NumberOfRow(field_name="image_set__prompt", label="Number of the prompt.")
    name = filters.CharFilter(lookup_expr="icontains", label="Part of the name.")

    class Meta:
        model = Image
        fields = ["kind", "dataset", "split", "name", "run", "prompt"]


@extend_schema(tags=["Data"])
@extend_schema_view(
    list=extend_schema(summary="Images"),
    retrieve=extend_schema(summary="An image, and how it was made"),
)
class Images(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """Real images, and the generated ones of one's own runs."""

    scope = "data"
    queryset = Image.objects.none()
    serializer_class = ImageSerializer
    filterset_class = ImageFilter

    def get_queryset(self) -> QuerySet[Image]:
        images = Image.objects.visible_to(self.user)
        return images.select_related("dataset", "image_set").order_by("pk")

    @extend_schema(
        summary="An image's file",
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
        },
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def file(self, request: Request, pk: int) -> FileResponse:
        """The bytes as they are stored."""
        image = self.get_object()
        kind = mimetypes.guess_type(str(image.file.name))[0]
        try:
            file = image.file.open()
        except OSError as error:
            raise Refused(f"The file of image {image.pk} can't be read: {error}.") from error
        return FileResponse(file, content_type=kind or "application/octet-stream")

    @extend_schema(
        summary="A generated image that says how it was made",
        responses={(200, "image/png"): OpenApiTypes.BINARY},
    )
    @action(detail=True, url_path="with-provenance", filter_backends=[], pagination_class=None)
    def with_provenance(self, request: Request, pk: int) -> HttpResponse:
        """A PNG with prompt, model and settings in its texts."""
        image = self.get_object()
        if image.kind != Image.Kind.GENERATED:
            raise NotFound("Only generated images say how they were made.")
        related = ImageSet.objects.select_related("run__generator", "prompt__rephrasing_of")
        image.image_set = related.get(images=image)
        return HttpResponse(with_provenance(image), content_type="image/png")
