import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analysis", "0006_reports_on_own_ratings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameField("restore", "name", "file_name"),
        migrations.AlterField("restore", "file_name", models.CharField(max_length=255)),
        migrations.AlterField("restore", "file", models.FileField(blank=True, max_length=200, upload_to="")),
        migrations.AddField("restore", "problems", models.JSONField(blank=True, default=list)),
        migrations.AlterField(
            "restore",
            "created_by",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
