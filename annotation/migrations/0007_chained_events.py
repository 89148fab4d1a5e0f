import hashlib
import json

from django.db import migrations, models


def chain_what_is_there(apps, schema_editor):
    """As `AuditEvent.content_digest` does since."""
    Study = apps.get_model("annotation", "Study")
    for study in Study.objects.all():
        previous = ""
        for number, event in enumerate(study.events.select_related("actor").order_by("pk"), 1):
            event.number, event.previous = number, previous
            event.actor_name = event.actor.username if event.actor else ""
            content = {
                "study": study.slug,
                "number": number,
                "actor": event.actor_name,
                "act": event.act,
                "detail": event.detail,
                "at": event.at.isoformat(),
                "previous": previous,
            }
            canonical = json.dumps(
                content, sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
            event.digest = previous = hashlib.sha256(canonical.encode()).hexdigest()
            event.save(update_fields=["number", "previous", "actor_name", "digest"])
        Study.objects.filter(pk=study.pk).update(record_digest=previous)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0006_reading_the_whole_way")]

    operations = [
        migrations.AddField(
            "study",
            "record_digest",
            models.CharField(
                blank=True, help_text="Of the last of its audit events.", max_length=64
            ),
        ),
        migrations.AddField(
            "auditevent",
            "number",
            models.PositiveIntegerField(default=0, help_text="From 1, within its study."),
            preserve_default=False,
        ),
        migrations.AddField(
            "auditevent",
            "actor_name",
            models.CharField(blank=True, help_text="Stays with the event.", max_length=150),
        ),
        migrations.AddField("auditevent", "previous", models.CharField(blank=True, max_length=64)),
        migrations.AddField(
            "auditevent",
            "digest",
            models.CharField(default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AlterField("auditevent", "at", models.DateTimeField()),
        migrations.RunPython(chain_what_is_there, migrations.RunPython.noop),
        migrations.AddConstraint(
            "auditevent",
            models.UniqueConstraint(
                fields=["study", "number"], name="an_event_has_its_own_number_in_its_study"
            ),
        ),
    ]
