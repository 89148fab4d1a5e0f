"""Studies: protocol, arms, cases, and which image set each arm shows in each case."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from annotation.protocols import Protocol
from generation.models import Generator, Image, ImageSet, Prompt, Run


class StudyQuerySet(models.QuerySet["Study"]):
    def owned_by(self, user) -> Self:
        """The studies whose members this person names: their own; superusers' are all."""
        return self if user.is_superuser else self.filter(owner_id=user.pk)

    def managed_by(self, user) -> Self:
        """The studies this person runs: their own, and where they are co-investigator."""
        return self._of(user, "co-investigator")

    def followed_by(self, user) -> Self:
        """The studies whose progress this person sees: those they run, and where they monitor."""
        return self._of(user, "co-investigator", "monitor")

    def real(self) -> Self:
        """Without the copies that simulated readers fill."""
        return self.filter(simulated=False)

    def unhidden(self) -> Self:
        """Those whose results by arm may be seen; as `Study.results_visible`."""
        ended = Q(state__in=[Study.State.CLOSED, Study.State.UNBLINDED])
        return self.filter(ended | Q(unblinded_at__isnull=False))

    def _of(self, user, *roles: str) -> Self:
        if user.is_superuser:
            return self
        memberships = user.memberships.filter(role__in=roles)
        return self.filter(Q(owner_id=user.pk) | Q(pk__in=memberships.values("study")))


class Study(models.Model):
    """A blinded reader study."""

    class State(models.TextChoices):
        DRAFT = "draft"
        IMAGES = "images"  # image sets are being generated
        CHECKED = "checked"  # all sets complete and looked at
        SEALED = "sealed"  # manifest fixed: what readers will see can't change any more
        RUNNING = "running"
        CLOSED = "closed"
        UNBLINDED = "unblinded"  # results by arm have been shown before or after closing

    title = models.CharField(max_length=160)
    slug = models.SlugField(max_length=60, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="studies"
    )
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    protocol_data = models.JSONField(help_text="Snapshot of the protocol (annotation/protocols).")
    simulated = models.BooleanField(
        default=False, help_text="A copy that simulated readers fill: in no list of studies."
    )
    seed = models.BigIntegerField()
    secret = models.CharField(max_length=64, help_text="Seeds plans and tokens; never shown.")
    manifest = models.JSONField(null=True, blank=True)
    manifest_digest = models.CharField(max_length=64, blank=True)
    record_digest = models.CharField(
        max_length=64, blank=True, help_text="Of the last of its audit events."
    )
    form_key = models.UUIDField(
        null=True, blank=True, unique=True, editable=False, help_text="A form makes one study."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sealed_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    unblinded_at = models.DateTimeField(null=True, blank=True)
    imported_at = models.DateTimeField(
        null=True, blank=True, help_text="Where it was brought here from another Blindread."
    )

    objects = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["draft", "images", "checked"]) | ~Q(manifest_digest=""),
                name="a_sealed_study_has_a_manifest",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("annotation:study", args=[self.slug])

    @property
    def protocol(self) -> Protocol:
        return Protocol.from_dict(self.protocol_data)

    @property
    def phantom(self) -> bool:
        """Whether any case shows drawn phantoms; said on every page that shows its images."""
        return self.cases.filter(
            Q(references__dataset__phantom=True)
            | Q(sets__image_set__run__generator__trained_on__phantom=True)
        ).exists()

    def runs(self) -> models.QuerySet[Run]:
        """Those that made its sets, or make them: one for each arm and for each set sampled
        again."""
        return Run.objects.filter(image_sets__case_sets__case__study=self).distinct()

    @property
    def results_visible(self) -> bool:
        """Results by arm may be seen: the study is closed, or an unblinding was recorded."""
        return self.state in (self.State.CLOSED, self.State.UNBLINDED) or bool(self.unblinded_at)


class Arm(models.Model):
    """One generator under study, or real images among them. Readers only ever see letters."""

    REAL = "Real images"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField()
    generator = models.ForeignKey(
        Generator, on_delete=models.PROTECT, null=True, blank=True, related_name="arms"
    )  # null: real images
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "position"], name="an_arm_has_its_own_position"
            ),
            models.UniqueConstraint(
                fields=["study", "generator"], name="a_generator_is_one_arm_of_a_study"
            ),
            models.UniqueConstraint(
                fields=["study"],
                condition=Q(generator=None),
                name="real_images_are_one_arm_of_a_study",
            ),
        ]

    def __str__(self) -> str:
        return self.generator.name if self.generator else self.REAL


class Case(models.Model):
    """One prompt, shown with its reference images and one image set per arm.

    A case that was left out is none of its study's: it keeps its images in case it is brought
    back, until the study is sealed.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, null=True, related_name="cases")
    left_out_of = models.ForeignKey(
        Study, on_delete=models.CASCADE, null=True, blank=True, related_name="cases_left_out"
    )
    position = models.PositiveSmallIntegerField()
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="cases")
    practice = models.BooleanField(default=False, help_text="Comes first and doesn't count.")
    references = models.ManyToManyField(Image, through="CaseReference", related_name="cases")

    parts_of = ("study", "left_out_of")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "position"], name="a_case_has_its_own_position"
            ),
            models.UniqueConstraint(
                fields=["study", "prompt"], name="a_prompt_is_one_case_of_a_study"
            ),
            models.CheckConstraint(
                condition=Q(study=None, left_out_of__isnull=False)
                | Q(study__isnull=False, left_out_of=None),
                name="a_case_is_in_a_study_or_left_out_of_one",
            ),
        ]

    def __str__(self) -> str:
        return f"case {self.position}: {self.prompt}"


class WithImages(models.Manager):
    """Rows with their images in one query: prefetching more than a thousand breaks SQLite."""

    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().select_related("image")


class CaseReference(models.Model):
    """A real image that is shown openly before the sets of a case."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE)
    image = models.ForeignKey(Image, on_delete=models.PROTECT)
    position = models.PositiveSmallIntegerField()

    parts_of = ("case__study", "case__left_out_of")
    objects = WithImages()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["case", "image"], name="a_reference_is_shown_once_in_a_case"
            ),
            models.UniqueConstraint(
                fields=["case", "position"], name="a_reference_has_its_own_position"
            ),
        ]

    def __str__(self) -> str:
        return f"reference {self.position}"


class CaseSet(models.Model):
    """The images that one arm shows in one case."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="sets")
    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, related_name="sets")
    image_set = models.ForeignKey(
        ImageSet, on_delete=models.PROTECT, null=True, blank=True, related_name="case_sets"
    )  # null: real images

    class Meta:
        ordering = ["case__position", "arm__position"]
        constraints = [
            models.UniqueConstraint(fields=["case", "arm"], name="an_arm_shows_one_set_in_a_case"),
        ]

    def __str__(self) -> str:
        return f"{self.arm}, {self.case}"

    def images(self) -> list[Image]:
        """What it shows, in order: fixed once the study is checked, until then what is there."""
        fixed = [link.image for link in self.links.all()]
        if fixed or self.image_set is None:
            return fixed
        return list(self.image_set.images.all())


class CaseImage(models.Model):
    """An image of a case's set."""

    case_set = models.ForeignKey(CaseSet, on_delete=models.CASCADE, related_name="links")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="case_images")
    position = models.PositiveSmallIntegerField()

    parts_of = ("case_set__case__study", "case_set__case__left_out_of")
    objects = WithImages()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["case_set", "position"], name="an_image_of_a_set_has_its_own_position"
            ),
            models.UniqueConstraint(
                fields=["case_set", "image"], name="an_image_stands_once_in_a_set"
            ),
        ]

    def __str__(self) -> str:
        return f"image {self.position} of {self.case_set}"
