"""Reports for administrators: to look at and to delete, not to edit."""

from django.contrib import admin

from analysis.models import Embedding, Figure, MetricValue, RankSweep, Report


class ReadOnly(admin.ModelAdmin):
    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Report)
class ReportAdmin(ReadOnly):
    list_display = ("pk", "study", "embedder", "status", "done", "total", "finished_at")
    list_filter = ("status", "embedder")
    search_fields = ("study__title", "study__slug")
    list_select_related = ("study",)


@admin.register(MetricValue)
class MetricValueAdmin(ReadOnly):
    list_display = ("metric", "arm", "case", "value", "n", "report")
    list_filter = ("metric",)
    search_fields = ("report__study__slug", "arm__generator__name")
    list_select_related = ("arm__generator", "case__prompt", "report__study")


@admin.register(Embedding)
class EmbeddingAdmin(ReadOnly):
    list_display = ("embedder", "sha256")
    search_fields = ("embedder", "sha256")
    fields = ("embedder", "sha256")


@admin.register(Figure)
class FigureAdmin(ReadOnly):
    list_display = ("name", "report")
    list_select_related = ("report__study",)


@admin.register(RankSweep)
class RankSweepAdmin(ReadOnly):
    list_display = ("family", "dataset", "output", "updated_at")
