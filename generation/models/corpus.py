"""The image corpus: data sets, their prompts, and images, real or generated."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def owned_by(self, user) -> Self:
        """Those that a researcher may delete: what they brought in; all for a superuser."""
        return self if user.is_superuser else self.filter(created_by=user.pk)


class Dataset(models.Model):
    """Real images (or drawn phantoms) with captions, or a list of prompts alone."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=120, unique=True)
    source = models.CharField(max_length=300, blank=True, help_text="Where it came from.")
    licence = models.CharField(max_length=120, blank=True)
    phantom = models.BooleanField(
        default=False,
        help_text="Drawn, not from patients; said wherever its images are shown.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def splits(self) -> dict[str, int]:
        """Number of real images in each split, for example ``{"test": 210, "train": 490}``."""
        rows = self.images.values_list("split").annotate(n=models.Count("pk")).order_by("split")
        return dict(rows)


class Prompt(models.Model):
    """A text from which images are generated; also the caption of real images."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="prompts")
    text = models.CharField(max_length=1000)
    reference_caption = models.CharField(
        max_length=1000,
        blank=True,
        help_text="Caption of real images that show what is asked, where they aren't captioned so.",
    )
    rephrasing_of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rephrasings",
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "text"], name="a_prompt_stands_once_in_its_dataset"
            ),
            models.CheckConstraint(condition=~Q(text=""), name="a_prompt_has_text"),
            models.CheckConstraint(
                condition=Q(rephrasing_of=None) | ~Q(rephrasing_of=F("pk")),
                name="a_prompt_does_not_rephrase_itself",
            ),
        ]

    def __str__(self) -> str:
        return self.text

    @property
    def original(self) -> "Prompt":
        """The prompt whose pair this one belongs to: itself, or what it rephrases."""
        return self.rephrasing_of or self


class ImageQuerySet(models.QuerySet["Image"]):
    def real(self) -> Self:
        return self.filter(kind=Image.Kind.REAL)

    def generated(self) -> Self:
        return self.filter(kind=Image.Kind.GENERATED)

    def visible_to(self, user) -> Self:
        """Real images, and the generated ones of runs that this researcher asked for."""
        if user.is_superuser:
            return self
        return self.filter(Q(kind=Image.Kind.REAL) | Q(image_set__run__created_by=user.pk))


class Image(models.Model):
    """One image, stored once under the digest of its bytes; never served by its path."""

    class Kind(models.TextChoices):
        REAL = "real"
        GENERATED = "generated"

    class Split(models.TextChoices):
        TRAIN = "train"
        VALIDATION = "validation"
        TEST = "test"

    kind = models.CharField(max_length=10, choices=Kind)
    file = models.FileField(max_length=200)
    sha256 = models.CharField(max_length=64, db_index=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Real images
    dataset = models.ForeignKey(
        Dataset, on_delete=models.PROTECT, null=True, blank=True, related_name="images"
    )
    name = models.CharField(max_length=255, blank=True)
    split = models.CharField(max_length=10, choices=Split, blank=True)
    prompts = models.ManyToManyField(Prompt, blank=True, related_name="images")
    # Generated images
    image_set = models.ForeignKey(
        "ImageSet",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="images",
    )
    index = models.PositiveSmallIntegerField(null=True, blank=True)
    seed = models.BigIntegerField(
        null=True, blank=True, help_text="None where the image was made elsewhere."
    )
    provenance = models.JSONField(default=dict, blank=True)

    objects = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind="real",
                    dataset__isnull=False,
                    image_set=None,
                    index=None,
                    seed=None,
                )
                & ~Q(split="")
                & ~Q(name="")
                | Q(
                    kind="generated",
                    dataset=None,
                    image_set__isnull=False,
                    index__isnull=False,
                ),
                name="an_image_is_real_in_a_dataset_or_generated_in_a_set",
            ),
            models.UniqueConstraint(
                fields=["dataset", "sha256"],
                name="a_real_image_stands_once_in_its_dataset",
            ),
            models.UniqueConstraint(
                fields=["dataset", "name"], name="a_name_stands_once_in_its_dataset"
            ),
            models.UniqueConstraint(
                fields=["image_set", "index"], name="an_index_stands_once_in_its_set"
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"set {self.image_set_id} image {self.index}"
