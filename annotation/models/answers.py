"""Answers: append-only revisions. The current one has the highest sequence number.

The sequence number is the client's clock in milliseconds, set to the server's and always
rising, so that a late save can't overwrite a newer one and a replay changes nothing.
"""

from typing import Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from annotation.models.readings import Reader, Reading, ReadingSet, ShownImage

NOT_APPLICABLE = "na"  # where a rubric shows a value
MOST_TEXT = 2000  # characters


class ScoreQuerySet(models.QuerySet["Score"]):
    def current(self) -> Self:
        """The newest revision of each (set, criterion)."""
        newest = Score.objects.filter(
            reading_set=OuterRef("reading_set"), criterion=OuterRef("criterion")
        ).order_by("-sequence")
        return self.filter(pk=Subquery(newest.values("pk")[:1]))


class Score(models.Model):
    """What a reader gave one set on one criterion: a value, or none where it is not applicable;
    or a text, where the criterion asks for one."""

    reading_set = models.ForeignKey(ReadingSet, on_delete=models.CASCADE, related_name="scores")
    criterion = models.SlugField(max_length=40, help_text="A criterion's key in the protocol.")
    value = models.PositiveSmallIntegerField(null=True)
    text = models.TextField(blank=True, max_length=MOST_TEXT)
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ScoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reading_set", "criterion", "sequence"],
                name="a_score_is_saved_once",
            ),
            models.CheckConstraint(
                condition=Q(value__gte=0, value__lte=10), name="a_score_is_0_to_10"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reading_set} {self.criterion}: {self.given}"

    @property
    def given(self) -> int | str:
        """What the rubric shows, but for texts."""
        return NOT_APPLICABLE if self.value is None else self.value


class RankingQuerySet(models.QuerySet["Ranking"]):
    def current(self) -> Self:
        """The newest revision of each reading's ranking."""
        newest = Ranking.objects.filter(reading=OuterRef("reading")).order_by("-sequence")
        return self.filter(pk=Subquery(newest.values("pk")[:1]))


class Ranking(models.Model):
    """A reader's order of the sets of a case, best first.

    ``tiers`` is a list of lists of letters, for example ``[["B"], ["A", "C"]]``; sets in one
    tier are tied. The letter ``R`` stands for the reference images where the protocol ranks them.
    """

    reading = models.ForeignKey(Reading, on_delete=models.CASCADE, related_name="rankings")
    tiers = models.JSONField()
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = RankingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reading", "sequence"], name="a_ranking_is_saved_once"),
        ]

    def __str__(self) -> str:
        return " > ".join("=".join(tier) for tier in self.tiers)


class CommentQuerySet(models.QuerySet["Comment"]):
    def current(self) -> Self:
        """The newest revision of each set's comment."""
        newest = Comment.objects.filter(reading_set=OuterRef("reading_set")).order_by("-sequence")
        return self.filter(pk=Subquery(newest.values("pk")[:1]))


class Comment(models.Model):
    """What a reader wrote about a set; empty where they took it back."""

    reading_set = models.ForeignKey(ReadingSet, on_delete=models.CASCADE, related_name="comments")
    text = models.TextField(blank=True, max_length=MOST_TEXT)
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CommentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reading_set", "sequence"], name="a_comment_is_saved_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reading_set}: {self.text[:40]}"


class FlagQuerySet(models.QuerySet["Flag"]):
    def current(self) -> Self:
        """The newest revision of each image's flag."""
        newest = Flag.objects.filter(shown_image=OuterRef("shown_image")).order_by("-sequence")
        return self.filter(pk=Subquery(newest.values("pk")[:1]))


class Flag(models.Model):
    """A reader's mark on one image."""

    class Reason(models.TextChoices):
        ARTEFACT = "artefact"
        ANATOMY = "anatomy", "implausible anatomy"
        TEXT = "text", "identifiable text"
        OTHER = "other"
        WITHDRAWN = "withdrawn"

    shown_image = models.ForeignKey(ShownImage, on_delete=models.CASCADE, related_name="flags")
    reason = models.CharField(max_length=10, choices=Reason)
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = FlagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shown_image", "sequence"], name="a_flag_is_saved_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shown_image}: {self.get_reason_display()}"


class Guess(models.Model):
    """What a reader, asked at the end, thinks stood behind a letter.

    ``real``: whether the set's images were real, or can't tell. ``same``: the letter of the set
    in another reading that came from the same source, or can't tell.
    """

    class Question(models.TextChoices):
        REAL = "real"
        SAME = "same"

    UNSURE = "unsure"

    reader = models.ForeignKey(Reader, on_delete=models.CASCADE, related_name="guesses")
    reading_set = models.ForeignKey(ReadingSet, on_delete=models.CASCADE, related_name="guesses")
    question = models.CharField(max_length=4, choices=Question)
    other = models.ForeignKey(
        Reading, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )  # of “same”: where the letter is to be found
    answer = models.CharField(max_length=6, help_text="yes, no, a letter, or unsure.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "guesses"
        constraints = [
            models.UniqueConstraint(
                fields=["reading_set", "question"], name="a_set_is_guessed_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reading_set} {self.question}: {self.answer}"
