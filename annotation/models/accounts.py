"""What Blindread knows of an account beside its name, e-mail address and password."""

from django.conf import settings
from django.db import models


class Preference(models.Model):
    """What a person chose for all their visits."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preference"
    )
    language = models.CharField(max_length=10, blank=True, help_text="Of pages and messages.")

    def __str__(self) -> str:
        return f"{self.user}: {self.language}"
