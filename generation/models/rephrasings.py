"""Other words for prompts: asked for, proposed, and approved by a person or not."""

from typing import Self

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q

from generation.models.corpus import Dataset, Prompt
from generation.models.jobs import Job, JobQuerySet


class RephrasingQuerySet(JobQuerySet):
    def owned_by(self, user: User) -> Self:
        """What a researcher asked for; all of it for a superuser."""
        return self if user.is_superuser else self.filter(created_by=user)


class Rephrasing(Job):
    """Propose other words for the prompts of a data set. ``done`` and ``total`` count prompts."""

    performer = "generation.rephrasings.perform_rephrasing"
    queue = "cpu"

    class Source(models.TextChoices):
        RULES = "rules", "by rule"
        ENDPOINT = "endpoint", "by the language model"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="rephrasings")
    source = models.CharField(max_length=10, choices=Source)
    variants = models.PositiveSmallIntegerField(
        default=1, help_text="So many for each prompt, with those that are there."
    )
    problems = models.JSONField(default=list, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )

    objects = RephrasingQuerySet.as_manager()  # type: ignore[misc] # of the rows of this kind

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Rephrasings for {self.dataset}"


class ProposalQuerySet(models.QuerySet["Proposal"]):
    def open(self) -> Self:
        """Those that wait for somebody to approve or reject them."""
        return self.filter(rejected=False)


class Proposal(models.Model):
    """Other words for a prompt that nobody has approved: no study and no training takes them.

    Approved, they become a prompt of the data set and the proposal goes; rejected, the proposal
    stays, so that the same words are not proposed again.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="proposals")
    text = models.CharField(max_length=1000)
    origin = models.CharField(max_length=120, help_text="A rule, or the model that was asked.")
    rejected = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProposalQuerySet.as_manager()

    class Meta:
        ordering = ["prompt", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "text"], name="the_same_words_are_proposed_once_for_a_prompt"
            ),
            models.CheckConstraint(condition=~Q(text=""), name="a_proposal_has_text"),
        ]

    def __str__(self) -> str:
        return self.text
