"""Access tokens: how a researcher's programs sign in to the API (docs/api.md)."""

from django.db import models
from knox.models import AbstractAuthToken


class AccessToken(AbstractAuthToken):
    """A key to the API, for some purposes and some time. Only its digest is stored."""

    class Scope(models.TextChoices):
        DATA_READ = "data:read", "See data sets, generators, runs and images"
        DATA_WRITE = "data:write", "Add prompts and images, ask for runs and trainings"
        STUDIES_READ = "studies:read", "See studies, their readers and their record"
        STUDIES_WRITE = "studies:write", "Make studies, take their steps, invite readers"
        RESULTS_READ = "results:read", "See answers and reports, as far as they may be seen"
        RESULTS_WRITE = "results:write", "Ask for reports"

    name = models.CharField(max_length=80, help_text="What it is for.")
    scopes = models.JSONField(default=list)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"

    def allows(self, scope: str) -> bool:
        return scope in self.scopes
