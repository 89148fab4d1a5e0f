import hashlib
import json
import secrets

from django.db import migrations, models
from django.utils import timezone

PERSONAL = {"user", "whom", "reason", "note"}


def chain_anew(apps, schema_editor):
    """Names and reasons leave the chain for commitments, as `AuditEvent.content_digest` has it since.

    A record that is not whole keeps its digests, and so is found broken as before. One that is
    goes on with an event that names the digest it had.
    """
    Study = apps.get_model("annotation", "Study")
    for study in Study.objects.all():
        events = list(study.events.order_by("number"))
        whole = was_whole(study, events)
        previous = ""
        for event in events:
            said = {key: str(event.detail.pop(key)) for key in PERSONAL & set(event.detail)}
            if event.actor_name:
                said["actor"] = event.actor_name
                event.actor_role = role(study, event.actor_id)
            event.personal = {k: {"text": v, "salt": secrets.token_hex(16)} for k, v in said.items()}
            event.commitments = {k: committed(**v) for k, v in event.personal.items()}
            if whole:
                event.previous = previous
                event.digest = previous = digest(study, event)
            event.save()
        if whole and events:
            add_renewal(study, events[-1], before=study.record_digest)


def add_renewal(study, last, *, before):
    event = last.__class__(
        study=study,
        number=last.number + 1,
        act="renew record",
        detail={"before": before},
        at=timezone.now(),
        previous=last.digest,
    )
    event.digest = digest(study, event)
    event.save()
    study.__class__.objects.filter(pk=study.pk).update(record_digest=event.digest)


def was_whole(study, events):
    previous = ""
    for number, event in enumerate(events, 1):
        old = {
            "study": study.slug,
            "number": number,
            "actor": event.actor_name,
            "act": event.act,
            "detail": event.detail,
            "at": event.at.isoformat(),
            "previous": previous,
        }
        if (event.number, event.previous, event.digest) != (number, previous, sha256(old)):
            return False
        previous = event.digest
    return previous == study.record_digest


def role(study, user):
    if user is None:
        return "another account"
    if user == study.owner_id:
        return "owner"
    if reader := study.readers.filter(user=user).first():
        return f"R{reader.number}"
    if member := study.members.filter(user=user).first():
        return member.role
    return "another account"


def committed(*, text, salt):
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()


def digest(study, event):
    return sha256(
        {
            "study": study.slug,
            "number": event.number,
            "actor": event.actor_role,
            "act": event.act,
            "detail": event.detail,
            "commitments": event.commitments,
            "at": event.at.isoformat(),
            "previous": event.previous,
        }
    )


def sha256(content):
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0010_pauses_expiry_and_audits_as_jobs'),
    ]

    operations = [
        migrations.AddField(
            model_name='auditevent',
            name='actor_role',
            field=models.CharField(blank=True, help_text="A reader's pseudonym, or owner, monitor, …", max_length=20),
        ),
        migrations.AddField(
            model_name='auditevent',
            name='commitments',
            field=models.JSONField(blank=True, default=dict, help_text='By key, SHA-256 of what is or was personal.'),
        ),
        migrations.AddField(
            model_name='auditevent',
            name='personal',
            field=models.JSONField(blank=True, default=dict, help_text='By key, text and salt; can be erased.'),
        ),
        migrations.AddField(
            model_name='reader',
            name='erased_at',
            field=models.DateTimeField(blank=True, help_text='When who this is was erased; answers stay.', null=True),
        ),
        migrations.AddField(
            model_name='study',
            name='imported_at',
            field=models.DateTimeField(blank=True, help_text='Where it was brought here from another Blindread.', null=True),
        ),
        migrations.AlterField(
            model_name='activity',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='blindingaudit',
            name='queued_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='comment',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='flag',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='guess',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='ranking',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='reader',
            name='invited_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='score',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name='study',
            name='created_at',
            field=models.DateTimeField(default=timezone.now, editable=False),
        ),
        migrations.RunPython(chain_anew, migrations.RunPython.noop),
    ]
