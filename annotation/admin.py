"""The admin: everything can be looked up; what makes up evidence can't be edited.

Studies change by the functions in `annotation.studies` alone. Which arm stood behind a letter is
shown once results may be seen.
"""

from django.contrib import admin

from annotation.models import (
    Activity,
    Arm,
    AuditEvent,
    BlindingAudit,
    Case,
    CaseImage,
    CaseReference,
    CaseSet,
    Comment,
    Flag,
    Guess,
    Invitation,
    Member,
    Preference,
    Ranking,
    Reader,
    Reading,
    ReadingSet,
    ResearcherInvitation,
    SavedProtocol,
    Score,
    ShownImage,
    Study,
)

_BLINDED = "blinded until the study is closed"


class RecordAdmin(admin.ModelAdmin):
    """Rows to read."""

    list_per_page = 50

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Study)
class StudyAdmin(RecordAdmin):
    list_display = ["title", "state", "owner", "created_at", "opened_at", "closed_at"]
    list_filter = ["state"]
    search_fields = ["title", "slug", "owner__username"]
    date_hierarchy = "created_at"
    exclude = ["secret"]


@admin.register(Arm)
class ArmAdmin(RecordAdmin):
    list_display = ["study", "position", "generator", "run"]
    list_filter = ["study"]
    search_fields = ["study__title", "generator__name"]
    list_select_related = ["study", "generator", "run__generator"]


@admin.register(Case)
class CaseAdmin(RecordAdmin):
    list_display = ["study", "left_out_of", "position", "prompt"]
    list_filter = ["study", "left_out_of"]
    search_fields = ["study__title", "left_out_of__title", "prompt__text"]
    list_select_related = ["study", "left_out_of", "prompt"]


@admin.register(CaseReference)
class CaseReferenceAdmin(RecordAdmin):
    list_display = ["case", "position", "image"]
    list_filter = ["case__study"]
    search_fields = ["case__prompt__text", "image__name"]
    list_select_related = ["case__prompt", "image"]


@admin.register(CaseSet)
class CaseSetAdmin(RecordAdmin):
    list_display = ["case", "arm", "image_set"]
    list_filter = ["case__study"]
    search_fields = ["case__prompt__text", "arm__generator__name"]
    list_select_related = ["case__prompt", "arm__generator", "image_set__run__generator"]


@admin.register(CaseImage)
class CaseImageAdmin(RecordAdmin):
    list_display = ["case_set", "position", "image"]
    list_filter = ["case_set__case__study"]
    search_fields = ["case_set__case__prompt__text", "image__name"]
    list_select_related = ["case_set__case__prompt", "case_set__arm__generator", "image"]


@admin.register(Reader)
class ReaderAdmin(RecordAdmin):
    list_display = ["study", "number", "slot", "user", "state", "invited_at", "finished_at"]
    list_filter = ["state", "study"]
    search_fields = ["user__username", "user__email", "study__title"]
    list_select_related = ["study", "user"]


@admin.register(Reading)
class ReadingAdmin(RecordAdmin):
    list_display = ["reader", "study", "position", "kind", "case", "started_at", "submitted_at"]
    list_filter = ["reader__study", ("submitted_at", admin.EmptyFieldListFilter)]
    search_fields = ["reader__user__username", "case__prompt__text"]
    list_select_related = ["reader__study", "case__prompt"]

    @admin.display(ordering="reader__study")
    def study(self, reading: Reading) -> Study:
        return reading.reader.study


@admin.register(ReadingSet)
class ReadingSetAdmin(RecordAdmin):
    list_display = ["reading", "letter", "arm"]
    list_filter = ["reading__reader__study", "letter"]
    search_fields = ["reading__reader__user__username"]
    list_select_related = ["reading__reader__study", "case_set__arm__generator"]
    fields = ["reading", "letter", "arm"]

    def arm(self, reading_set: ReadingSet) -> str:
        visible = reading_set.reading.reader.study.results_visible
        return str(reading_set.case_set.arm) if visible else _BLINDED


@admin.register(ShownImage)
class ShownImageAdmin(RecordAdmin):
    list_display = ["token", "reading", "letter", "position"]
    list_filter = ["reading__reader__study"]
    search_fields = ["token", "reading__reader__user__username"]
    list_select_related = ["reading__reader", "reading_set"]
    fields = ["token", "reading", "letter", "position"]

    @admin.display(empty_value="reference")
    def letter(self, shown: ShownImage) -> str | None:
        return shown.reading_set.letter if shown.reading_set else None


@admin.register(Score)
class ScoreAdmin(RecordAdmin):
    list_display = ["reading", "letter", "criterion", "value", "created_at", "sequence"]
    list_filter = ["reading_set__reading__reader__study", "criterion"]
    search_fields = ["reading_set__reading__reader__user__username", "criterion"]
    list_select_related = ["reading_set__reading__reader"]
    fields = ["reading", "letter", "criterion", "value", "text", "created_at", "sequence"]

    def reading(self, score: Score) -> Reading:
        return score.reading_set.reading

    def letter(self, score: Score) -> str:
        return score.reading_set.letter


@admin.register(Comment)
class CommentAdmin(RecordAdmin):
    list_display = ["reading", "letter", "text", "created_at", "sequence"]
    list_filter = ["reading_set__reading__reader__study"]
    search_fields = ["reading_set__reading__reader__user__username", "text"]
    list_select_related = ["reading_set__reading__reader"]
    fields = ["reading", "letter", "text", "created_at", "sequence"]

    def reading(self, comment: Comment) -> Reading:
        return comment.reading_set.reading

    def letter(self, comment: Comment) -> str:
        return comment.reading_set.letter


@admin.register(Flag)
class FlagAdmin(RecordAdmin):
    list_display = ["token", "reason", "created_at", "sequence"]
    list_filter = ["shown_image__reading__reader__study", "reason"]
    search_fields = ["shown_image__reading__reader__user__username"]
    list_select_related = ["shown_image"]
    fields = ["token", "reason", "created_at", "sequence"]

    def token(self, flag: Flag) -> str:
        return flag.shown_image.token


@admin.register(Activity)
class ActivityAdmin(RecordAdmin):
    list_display = ["reading", "act", "detail", "created_at", "sequence"]
    list_filter = ["reading__reader__study", "act"]
    search_fields = ["reading__reader__user__username"]
    list_select_related = ["reading__reader"]


@admin.register(Guess)
class GuessAdmin(RecordAdmin):
    list_display = ["reader", "question", "letter", "answer", "created_at"]
    list_filter = ["reader__study", "question"]
    search_fields = ["reader__user__username"]
    list_select_related = ["reader", "reading_set"]
    fields = ["reader", "question", "letter", "answer", "created_at"]

    def letter(self, guess: Guess) -> str:
        return guess.reading_set.letter


@admin.register(Invitation)
class InvitationAdmin(RecordAdmin):
    list_display = ["study", "email", "created_at", "accepted_at", "revoked_at", "reader"]
    list_filter = ["study"]
    search_fields = ["email"]
    list_select_related = ["study", "reader"]
    exclude = ["token"]


@admin.register(ResearcherInvitation)
class ResearcherInvitationAdmin(RecordAdmin):
    list_display = ["email", "created_at", "expires_at", "accepted_at", "revoked_at", "user"]
    search_fields = ["email", "user__username"]
    list_select_related = ["user"]
    exclude = ["token"]


@admin.register(Member)
class MemberAdmin(RecordAdmin):
    list_display = ["study", "user", "role", "added_at"]
    list_filter = ["role", "study"]
    search_fields = ["study__title", "user__username"]
    list_select_related = ["study", "user"]


@admin.register(Preference)
class PreferenceAdmin(RecordAdmin):
    list_display = ["user", "language"]
    search_fields = ["user__username"]
    list_select_related = ["user"]


@admin.register(BlindingAudit)
class BlindingAuditAdmin(RecordAdmin):
    list_display = ["study", "status", "opens", "queued_at", "finished_at", "created_by"]
    list_filter = ["status", "study"]
    search_fields = ["study__title"]
    list_select_related = ["study", "created_by"]


@admin.register(SavedProtocol)
class SavedProtocolAdmin(RecordAdmin):
    list_display = ["name", "owner", "changed_at"]
    search_fields = ["name", "owner__username"]
    list_select_related = ["owner"]


@admin.register(Ranking)
class RankingAdmin(RecordAdmin):
    list_display = ["reading", "__str__", "created_at", "sequence"]
    list_filter = ["reading__reader__study"]
    search_fields = ["reading__reader__user__username"]
    list_select_related = ["reading__reader"]


@admin.register(AuditEvent)
class AuditEventAdmin(RecordAdmin):
    list_display = ["at", "study", "act", "who"]
    list_filter = ["act", "study"]
    search_fields = ["study__title", "actor__username"]
    list_select_related = ["study"]
    date_hierarchy = "at"
