"""Who else may see a study from the researcher's side, beside its owner."""

from django.conf import settings
from django.db import models

from annotation.models.studies import Study


class Member(models.Model):
    """A researcher's part in a study that somebody else owns."""

    class Role(models.TextChoices):
        CO_INVESTIGATOR = "co-investigator"  # does all that the owner does, but name members
        MONITOR = "monitor"  # sees progress and the record of acts; no images by arm, no results

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["added_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "user"], name="a_person_has_one_role_in_a_study"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()}"
