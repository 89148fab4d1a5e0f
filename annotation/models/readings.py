"""Readers and their readings: the stored plan of who sees what, where, under which letter."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotation.models.studies import Case, CaseSet, Study
from generation.models import Image


class Reader(models.Model):
    """A person's part in one study."""

    class State(models.TextChoices):
        INVITED = "invited"
        ACTIVE = "active"
        FINISHED = "finished"
        REVOKED = "revoked"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="readers")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reader_roles"
    )
    number = models.PositiveSmallIntegerField(help_text="In order of their invitation, from 1.")
    slot = models.PositiveSmallIntegerField(help_text="Place in the balanced plan, from 1.")
    state = models.CharField(max_length=10, choices=State, default=State.INVITED)
    invited_at = models.DateTimeField(default=timezone.now, editable=False)
    consented_at = models.DateTimeField(null=True, blank=True)
    consent_version = models.CharField(max_length=40, blank=True)
    briefed_at = models.DateTimeField(null=True, blank=True, help_text="Had read the guide.")
    finished_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="Sees nothing of the study until the part is resumed."
    )
    reminded_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(
        null=True, blank=True, help_text="When who this is was erased; answers stay."
    )

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "user"], name="a_person_reads_a_study_once"),
            models.UniqueConstraint(
                fields=["study", "number"], name="a_reader_has_their_own_number"
            ),
            # The slot of one whose part was revoked is free for the next.
            models.UniqueConstraint(
                fields=["study", "slot"],
                condition=~Q(state="revoked"),
                name="a_slot_has_one_active_reader",
            ),
        ]

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def pseudonym(self) -> str:
        """What results, reports and exports call the reader."""
        return f"R{self.number}"


class ReadingQuerySet(models.QuerySet["Reading"]):
    def for_reader(self, user) -> Self:
        """The readings this person may see now: theirs, neither revoked nor paused, in a study that
        runs, and consented to where the protocol asks for it."""
        asked = Q(reader__study__protocol_data__has_key="consent") & ~Q(
            reader__study__protocol_data__consent=""
        )
        return self.filter(
            Q(reader__consented_at__isnull=False) | ~asked,
            Q(reader__study__state=Study.State.RUNNING),
            reader__user_id=user.pk,
            reader__paused_at=None,
            reader__state__in=[
                Reader.State.INVITED,
                Reader.State.ACTIVE,
                Reader.State.FINISHED,
            ],
        )


class Reading(models.Model):
    """One case, or one set of it, read by one reader."""

    class Kind(models.TextChoices):
        PRACTICE = "practice"  # doesn't count
        CASE = "case"
        REPEAT = "repeat"  # tells the reader's agreement with themselves
        CHECK = "check"  # tells whether the reader reads what is asked

    reader = models.ForeignKey(Reader, on_delete=models.CASCADE, related_name="readings")
    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="readings")
    position = models.PositiveSmallIntegerField(help_text="Place in this reader's order, from 1.")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.CASE)
    started_at = models.DateTimeField(null=True, blank=True)
    references_seen_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)

    objects = ReadingQuerySet.as_manager()

    class Meta:
        ordering = ["reader", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["reader", "position"], name="a_reading_has_its_own_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reader} reading {self.position}"

    @property
    def repeat(self) -> bool:
        return self.kind == self.Kind.REPEAT


class ReadingSet(models.Model):
    """Which set stood under which letter in a reading."""

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="sets")
    letter = models.CharField(max_length=1)
    case_set = models.ForeignKey(CaseSet, on_delete=models.CASCADE, related_name="reading_sets")

    class Meta:
        ordering = ["letter"]
        constraints = [
            models.UniqueConstraint(
                fields=["reading", "letter"],
                name="a_letter_stands_for_one_set_in_a_reading",
            ),
            models.UniqueConstraint(
                fields=["reading", "case_set"], name="a_set_has_one_letter_in_a_reading"
            ),
        ]

    def __str__(self) -> str:
        return f"set {self.letter}"


class ShownImage(models.Model):
    """An image at its place in a reading, behind a token that means nothing elsewhere."""

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="shown_images")
    reading_set = models.ForeignKey(
        ReadingSet,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="shown_images",
    )  # null: a reference image
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()
    token = models.CharField(max_length=32, unique=True)

    parts_of = ("reading__reader__study",)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["reading", "reading_set", "position"],
                name="a_shown_image_has_its_own_position",
            ),
            models.UniqueConstraint(
                fields=["reading", "position"],
                condition=Q(reading_set=None),
                name="a_shown_reference_has_its_own_position",
            ),
            models.UniqueConstraint(
                fields=["reading", "image"], name="an_image_is_shown_once_in_a_reading"
            ),
        ]

    def __str__(self) -> str:
        return f"image {self.position} of {self.reading_set or 'the references'}"


class Activity(models.Model):
    """What a reader's page reports of its use: time spent, order of actions, zoom, viewport.

    ``sequence`` counts as in an answer: what is sent twice is stored once.
    """

    class Act(models.TextChoices):
        ACTIVE = "active"  # seconds at work since the last such report, idle time cut off
        VIEWPORT = "viewport"  # width and height in CSS pixels, pixel ratio
        SET = "set"  # which set is shown
        LOOK = "look"  # an image in the large view
        ZOOM = "zoom"  # its scale
        REFERENCES = "references"
        GUIDE = "guide"
        UNDO = "undo"

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="activities")
    act = models.CharField(max_length=10, choices=Act)
    detail = models.JSONField(default=dict, blank=True)
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["sequence"]
        verbose_name_plural = "activities"
        constraints = [
            models.UniqueConstraint(
                fields=["reading", "sequence"], name="an_activity_is_recorded_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reading}: {self.act}"
