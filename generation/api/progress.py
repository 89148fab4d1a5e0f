"""Long work, as the API shows it."""

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation import models
from generation.api.problems import Refused
from generation.api.resource import Resource
from generation.jobs import enqueue

PROGRESS = [
    "status", "done", "total", "rate", "seconds_left", "message", "error", "cancel_requested",
    "queued_at", "started_at", "finished_at",
]  # fmt: skip


class ProgressSerializer(serializers.ModelSerializer):
    """What all long work says of itself; `PROGRESS` names the fields."""

    rate = serializers.SerializerMethodField(help_text="Units a second, while it is at work.")
    seconds_left = serializers.SerializerMethodField(help_text="An estimate.")

    @extend_schema_field({"type": "number", "nullable": True})
    def get_rate(self, row: models.Progress) -> float | None:
        return row.rate

    @extend_schema_field({"type": "number", "nullable": True})
    def get_seconds_left(self, row: models.Progress) -> float | None:
        return row.seconds_left


class Job(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    """A kind of long work: to be listed, looked at and cancelled."""

    def now(self, job: models.Job) -> Response:
        """The job as it is now."""
        job.refresh_from_db()
        return Response(self.shown(job))

    @extend_schema(summary="Cancel it", request=None)
    def cancel(self, request: Request, **place: object) -> Response:
        """At once where it waits, else as soon as its worker gets to it."""
        job = self.get_object()
        job.cancel()
        return self.now(job)


class RetriedJob(Job):
    """One that can be tried again after it failed or was cancelled."""

    @extend_schema(summary="Try it again", request=None)
    def retry(self, request: Request, **place: object) -> Response:
        """What it had finished stays."""
        job = self.get_object()
        if not job.retry():
            raise Refused("It goes on already, or it is done.")
        enqueue(job)
        return self.now(job)
