"""Answers: append-only revisions. The current one has the highest sequence number.

The sequence number is the client's clock in milliseconds, set to the server's and always
rising, so that a late save can't overwrite a newer one and a replay changes nothing.
"""

from typing import Self

from django.db import models
from django.db.models import OuterRef, Q, Subquery

from annotation.models.readings import Reading, ReadingSet

NOT_APPLICABLE = "na"  # where a rubric shows a value


class ScoreQuerySet(models.QuerySet["Score"]):
    def current(self) -> Self:
        """The newest revision of each (set, criterion)."""
        newest = Score.objects.filter(
            reading_set=OuterRef("reading_set"), criterion=OuterRef("criterion")
        ).order_by("-sequence")
        return self.filter(pk=Subquery(newest.values("pk")[:1]))


class Score(models.Model):
    """One value given by a reader to one set on one criterion; none where it is not applicable."""

    reading_set = models.ForeignKey(ReadingSet, on_delete=models.CASCADE, related_name="scores")
    criterion = models.SlugField(max_length=40, help_text="A criterion's key in the protocol.")
    value = models.PositiveSmallIntegerField(null=True)
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

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
        """The value as the rubric shows it."""
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
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RankingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reading", "sequence"], name="a_ranking_is_saved_once"),
        ]

    def __str__(self) -> str:
        return " > ".join("=".join(tier) for tier in self.tiers)
