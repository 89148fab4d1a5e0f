"""The admin: everything can be looked up; evidence can't be edited, runs can be steered."""

from collections.abc import Callable

from django.contrib import admin, messages

from generation.jobs import enqueue
from generation.models import (
    Chunk,
    Dataset,
    Generator,
    Image,
    ImageSet,
    Prompt,
    Proposal,
    Rephrasing,
    Run,
    Training,
    Upload,
)
from generation.runs import enqueue_run


class RecordAdmin(admin.ModelAdmin):
    """Rows that commands and workers make. Only what is named in ``editable`` can be changed."""

    editable: tuple[str, ...] = ()
    list_per_page = 50

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_readonly_fields(self, request, obj=None) -> list[str]:
        options = self.model._meta
        names = [field.name for field in (*options.fields, *options.many_to_many)]
        return [name for name in names if name not in self.editable]


@admin.register(Dataset)
class DatasetAdmin(RecordAdmin):
    list_display = ["name", "slug", "licence", "phantom", "created_at"]
    search_fields = ["name", "slug", "source"]
    editable = ("name", "source", "licence")


@admin.register(Prompt)
class PromptAdmin(RecordAdmin):
    list_display = ["text", "dataset", "rephrasing_of"]
    list_filter = ["dataset"]
    list_select_related = ["dataset", "rephrasing_of"]
    search_fields = ["text"]


@admin.register(Image)
class ImageAdmin(RecordAdmin):
    list_display = ["pk", "kind", "dataset", "name", "split", "image_set", "index", "sha256"]
    list_filter = ["kind", "dataset", "split"]
    list_select_related = ["dataset", "image_set__run__generator", "image_set__prompt"]
    search_fields = ["name", "sha256"]
    exclude = ["file"]  # images are served by views that check who asks


@admin.register(Generator)
class GeneratorAdmin(RecordAdmin):
    list_display = ["name", "family", "trained_on", "licence", "digest", "created_at"]
    list_filter = ["family"]
    list_select_related = ["trained_on"]
    search_fields = ["name", "slug", "checkpoint", "digest"]


class SteeredAdmin(RecordAdmin):
    """Long work can be steered."""

    list_filter = ["status"]
    date_hierarchy = "queued_at"
    actions = ["cancel", "retry"]
    enqueue: Callable

    @admin.action(description="Cancel")
    def cancel(self, request, jobs) -> None:
        for job in jobs:
            job.cancel()

    @admin.action(description="Queue failed or cancelled %(verbose_name_plural)s again")
    def retry(self, request, jobs) -> None:
        retried = [job for job in jobs if job.retry()]
        for job in retried:
            type(self).enqueue(job)
        kinds = self.model._meta.verbose_name_plural
        messages.info(request, f"{len(retried)} {kinds} were queued again.")


@admin.register(Run)
class RunAdmin(SteeredAdmin):
    enqueue = enqueue_run
    list_display = ["pk", "generator", "priority", "status", "done", "total", "error"]
    list_filter = ["status", "generator"]
    list_select_related = ["generator"]
    search_fields = ["generator__name", "error"]


@admin.register(Chunk)
class ChunkAdmin(RecordAdmin):
    list_display = ["run", "number", "status", "done", "total", "attempts", "holder", "error"]
    list_filter = ["status"]
    list_select_related = ["run__generator"]


@admin.register(Training)
class TrainingAdmin(SteeredAdmin):
    enqueue = enqueue
    list_display = ["name", "family", "dataset", "status", "done", "total", "attempts", "error"]
    list_filter = ["status", "family"]
    list_select_related = ["dataset"]
    search_fields = ["name", "error"]


@admin.register(Upload)
class UploadAdmin(RecordAdmin):
    list_display = ["name", "kind", "file_name", "status", "done", "total", "created_by", "error"]
    list_filter = ["status", "kind"]
    list_select_related = ["created_by"]
    search_fields = ["name", "file_name", "error"]


@admin.register(Rephrasing)
class RephrasingAdmin(RecordAdmin):
    list_display = ["dataset", "source", "variants", "status", "done", "total", "error"]
    list_filter = ["status", "source"]
    list_select_related = ["dataset"]


@admin.register(Proposal)
class ProposalAdmin(RecordAdmin):
    list_display = ["text", "prompt", "origin", "rejected"]
    list_filter = ["rejected", "prompt__dataset"]
    list_select_related = ["prompt"]
    search_fields = ["text", "prompt__text"]


@admin.register(ImageSet)
class ImageSetAdmin(RecordAdmin):
    list_display = ["pk", "run", "prompt", "completed_at"]
    list_filter = ["run__generator"]
    list_select_related = ["run__generator", "prompt"]
    search_fields = ["prompt__text"]
