from pathlib import PurePath
from uuid import uuid4

from django.db import migrations, models


def by_folder(apps, schema_editor):
    for sweep in apps.get_model('analysis', 'RankSweep').objects.all():
        sweep.folder, sweep.output = uuid4(), PurePath(sweep.output).name
        sweep.save(update_fields=['folder', 'output'])


class Migration(migrations.Migration):

    dependencies = [
        ('analysis', '0010_rank_sweeps'),
    ]

    operations = [
        migrations.AlterField(
            model_name='ranksweep',
            name='output',
            field=models.CharField(help_text="The folder's name.", max_length=500),
        ),
        migrations.AddField(
            model_name='ranksweep',
            name='folder',
            field=models.UUIDField(null=True),
        ),
        migrations.RunPython(by_folder, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='ranksweep',
            name='folder',
            field=models.UUIDField(default=uuid4, help_text='Written in it.', unique=True),
        ),
    ]
