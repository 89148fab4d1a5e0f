"""Protocols: those that come with Blindread, and one's own."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.models import SavedProtocol
from annotation.plan_form import ClaimForm, PlanForm
from annotation.protocol_form import CriterionForm, ProtocolEditor, ProtocolForm
from annotation.protocols import Protocol, ProtocolError, load_protocol, presets
from annotation.saved_protocols import protocol_of, save_protocol
from generation.api.fields import Number, Text, sent_as
from generation.api.resource import Resource


class CriterionSerializer(serializers.Serializer):
    key = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="score, yes_no or text.")
    minimum = serializers.IntegerField()
    maximum = serializers.IntegerField()
    not_applicable = serializers.BooleanField()
    description = serializers.CharField(allow_blank=True)
    low = serializers.CharField(allow_blank=True)
    middle = serializers.CharField(allow_blank=True)
    high = serializers.CharField(allow_blank=True)


class ProtocolSerializer(serializers.Serializer):
    key = serializers.CharField()
    version = serializers.IntegerField()
    name = serializers.CharField()
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment] # a field
    criteria = CriterionSerializer(many=True)
    images_per_set = serializers.IntegerField()
    image_size = serializers.IntegerField()
    references_per_case = serializers.IntegerField()
    rank_references = serializers.BooleanField()
    ranking = serializers.BooleanField()
    ties_allowed = serializers.BooleanField()
    presentation = serializers.CharField(help_text="together or single.")
    hidden_real = serializers.BooleanField()
    practice = serializers.IntegerField()
    repeats = serializers.FloatField(help_text="Share of the cases, 0 to 0.25.")
    checks = serializers.IntegerField()
    guess = serializers.BooleanField()
    minimal_width = serializers.IntegerField()
    consent = serializers.CharField(allow_blank=True)
    consent_version = serializers.CharField(allow_blank=True)
    language = serializers.CharField()
    plan = serializers.DictField(allow_null=True, help_text="The analysis named in advance.")


class SavedProtocolSerializer(serializers.ModelSerializer):
    protocol = serializers.SerializerMethodField()

    class Meta:
        model = SavedProtocol
        fields = ["id", "name", "created_at", "changed_at", "protocol"]

    def get_protocol(self, saved: SavedProtocol) -> ProtocolSerializer:
        return ProtocolSerializer(saved.protocol.to_dict()).data  # type: ignore[return-value]


SentCriterion = sent_as(CriterionForm, "SentCriterion")
SentClaim = sent_as(ClaimForm, "SentClaim")
SentPlan = sent_as(
    PlanForm,
    "SentPlan",
    optional=list(PlanForm.base_fields),
    more={"claims": serializers.ListField(child=SentClaim(), required=False, max_length=20)},
)
CHANGES: dict[str, serializers.Field] = {
    "criteria": serializers.ListField(child=SentCriterion(), required=False, max_length=12),
    "plan": SentPlan(required=False, allow_null=True, help_text="null: none."),
    "repeats": Number(required=False, min_value=0, max_value=0.25, help_text="Share of the cases."),
}
SentChanges = sent_as(
    ProtocolForm, "SentProtocolChanges", optional=list(ProtocolForm.base_fields), more=CHANGES
)
LIKE = Text(max_length=140, help_text="What it starts from: preset:KEY, own:ID or study:SLUG.")
SentProtocol = sent_as(
    ProtocolForm,
    "SentProtocol",
    optional=[name for name in ProtocolForm.base_fields if name != "name"],
    more={"like": LIKE, **CHANGES},
)


@extend_schema(tags=["Protocols"])
@extend_schema_view(list=extend_schema(summary="Protocols that come with Blindread"))
class Presets(mixins.ListModelMixin, Resource):
    scope = "studies"
    serializer_class = ProtocolSerializer
    filter_backends = []

    def get_queryset(self) -> Any:
        return [load_protocol(key).to_dict() for key in presets()]

    @extend_schema(summary="A protocol that comes with Blindread")
    def retrieve(self, request: Request, key: str) -> Response:
        if key not in presets():
            raise NotFound(f"There are: {', '.join(presets())}.")
        return Response(ProtocolSerializer(load_protocol(key).to_dict()).data)


@extend_schema(tags=["Protocols"])
@extend_schema_view(
    list=extend_schema(summary="One's own protocols"),
    retrieve=extend_schema(summary="A protocol of one's own"),
    destroy=extend_schema(summary="Delete a protocol; studies that use it keep it"),
)
class Protocols(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, mixins.DestroyModelMixin, Resource
):
    scope = "studies"
    queryset = SavedProtocol.objects.none()
    serializer_class = SavedProtocolSerializer

    def get_queryset(self) -> QuerySet[SavedProtocol]:
        return SavedProtocol.objects.filter(owner=self.user).order_by("name")

    @extend_schema(
        summary="Save a protocol of one's own",
        request=SentProtocol,
        responses={201: SavedProtocolSerializer},
    )
    def create(self, request: Request) -> Response:
        """A copy of another, with what is sent instead of its values."""
        sent = self.given(SentProtocol)
        origin, _, key = sent.pop("like").partition(":")
        base = protocol_of(origin, key, user=self.user)
        if base is None:
            raise ValidationError({"like": ["There is no such protocol."]})
        return Response(self.shown(self._save(base, sent, version=1)), status=201)

    @extend_schema(
        summary="Change a protocol of one's own",
        request=SentChanges,
        responses=SavedProtocolSerializer,
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """What isn't sent stays as it is. Studies keep theirs as it was."""
        saved = self.get_object()
        base = saved.protocol
        sent = self.given(SentChanges)
        return Response(self.shown(self._save(base, sent, version=base.version + 1, saved=saved)))

    def _save(
        self,
        base: Protocol,
        sent: Mapping[str, Any],
        *,
        version: int,
        saved: SavedProtocol | None = None,
    ) -> SavedProtocol:
        about: dict[str, Any] = {"name": base.name, "source": base.source, "version": version}
        editor = ProtocolEditor(base, **about, data=_as_form(ProtocolEditor(base, **about), sent))
        protocol = editor.protocol() if editor.is_valid() else None
        if protocol is None:
            raise ValidationError(_errors(editor))
        try:
            return save_protocol(protocol=protocol, owner=self.user, saved=saved)
        except ProtocolError as error:
            raise ValidationError({"name": [str(error)]}) from error


def _as_form(editor: ProtocolEditor, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What the editor shows, with what was sent instead, as its page would send it."""
    whole = {**editor.form.raw(), **sent}
    if "repeats" in sent:
        whole["repeats"] = round(100 * sent["repeats"])
    criteria = whole.pop("criteria", [form.raw() for form in editor.criteria.forms])
    shown = editor.plan.raw()
    plan = whole.pop("plan", {})
    if plan is None:
        plan = {"leading": ""}
    claims = plan.pop("claims", shown["claims"])
    return {
        **whole,
        **{f"plan-{name}": value for name, value in {**shown["plan"], **plan}.items()},
        **_rows("criteria", criteria),
        **_rows("claims", claims),
    }


def _rows(prefix: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{prefix}-TOTAL_FORMS": len(rows),
        f"{prefix}-INITIAL_FORMS": len(rows),
        **{f"{prefix}-{i}-{name}": v for i, row in enumerate(rows) for name, v in row.items()},
    }


def _errors(editor: ProtocolEditor) -> dict[str, Any]:
    plan = editor.plan
    found: dict[str, Any] = {
        name.replace("__all__", "non_field_errors"): list(map(str, said))
        for name, said in editor.form.errors.items()
    }
    parts = {
        "criteria": [*map(str, editor.criteria.non_form_errors())],
        **{f"criteria.{i}": form.errors for i, form in enumerate(editor.criteria.forms)},
        "plan": plan.form.errors,
        **{f"plan.claims.{i}": form.errors for i, form in enumerate(plan.claims.forms)},
    }
    return found | {name: said for name, said in parts.items() if said}
