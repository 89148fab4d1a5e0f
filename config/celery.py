"""The Celery application. The rows in the database are the truth; a message is a nudge."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("blindread")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
