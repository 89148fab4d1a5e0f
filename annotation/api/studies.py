"""Studies: the list, one of them, its making and its steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.protocols import ProtocolSerializer
from annotation.drafts import delete_study
from annotation.estimates import Estimate
from annotation.models import Case, Member, Reader, Reading, Study
from annotation.steps import check_state
from annotation.studies import unblind_study
from annotation.study_form import StudyForm, like
from annotation.views.studies import ACTS
from generation.api.fields import Sent, Text, TrueOrFalse, sent_as
from generation.api.problems import check_form, saved
from generation.api.resource import Resource

ACT_NAMES = [*ACTS, "unblind"]


class StudySerializer(serializers.ModelSerializer):
    owner = serializers.SlugRelatedField[Any](slug_field="username", read_only=True)
    role = serializers.SerializerMethodField(
        help_text="Of whoever asks: owner, co-investigator, monitor or administrator."
    )
    seed = serializers.SerializerMethodField(help_text="Null for monitors.")
    protocol = serializers.SerializerMethodField(help_text="Its name; all of it: `…/protocol/`.")
    cases = serializers.IntegerField(source="cases_count", read_only=True)
    practice_cases = serializers.IntegerField(read_only=True)
    readers = serializers.IntegerField(
        source="readers_count", read_only=True, help_text="But for those whose part has ended."
    )
    readings = serializers.IntegerField(source="planned", read_only=True, help_text="Planned.")
    readings_submitted = serializers.IntegerField(source="submitted", read_only=True)
    results_visible = serializers.BooleanField(read_only=True)

    class Meta:
        model = Study
        fields = [
            "slug", "title", "state", "owner", "role", "protocol", "seed", "cases",
            "practice_cases", "readers", "readings", "readings_submitted", "results_visible",
            "simulated", "manifest_digest", "created_at", "sealed_at", "opened_at", "closed_at",
            "unblinded_at", "imported_at",
        ]  # fmt: skip

    def get_role(self, study: Study) -> str:
        user = self.context["request"].user
        if study.owner_id == user.pk:
            return "owner"
        member = study.members.filter(user_id=user.pk).first()
        return member.role if member else "administrator"

    def get_seed(self, study: Study) -> int | None:
        return None if self.get_role(study) == Member.Role.MONITOR else study.seed

    def get_protocol(self, study: Study) -> str:
        return str(study.protocol_data["name"])


class EstimateSerializer(serializers.Serializer):
    arms = serializers.IntegerField()
    pairs = serializers.IntegerField()
    readers = serializers.IntegerField()
    pages = serializers.IntegerField(help_text="That a reader goes through.")
    cases = serializers.IntegerField()
    practice = serializers.IntegerField()
    again = serializers.IntegerField(help_text="Pages that show something a second time.")
    reading_seconds = serializers.IntegerField(help_text="Of one reader.")
    images = serializers.IntegerField(help_text="To generate.")
    ready = serializers.IntegerField(help_text="Images that were imported.")
    seconds = serializers.FloatField(help_text="To generate the images.")
    untimed = serializers.SerializerMethodField(
        help_text="Slugs of generators whose pace isn't known; `seconds` leaves them out."
    )
    difference = serializers.FloatField(
        allow_null=True,
        help_text="Of two arms' mean scores that the study can find, as a share of the scale.",
    )
    points = serializers.FloatField(allow_null=True, help_text="The same on the criteria's scale.")

    def get_untimed(self, estimate: Estimate) -> list[str]:
        return [generator.slug for generator in estimate.untimed]


BEGUN_WITH = ["protocol", "readers", "seed"]  # what the form has a value for
FORM_KEY: dict[str, serializers.Field] = {
    "form_key": serializers.UUIDField(
        required=False, help_text="Any UUID of yours: sent twice, it makes one study."
    )
}
SentStudy = sent_as(StudyForm, "SentStudy", optional=BEGUN_WITH, more=FORM_KEY)
SentCopy = sent_as(StudyForm, "SentCopy", optional=list(StudyForm.base_fields), more=FORM_KEY)


class SentStep(Sent):
    act = serializers.ChoiceField(choices=ACT_NAMES)
    reason = Text(required=False, allow_blank=True, max_length=2000, help_text="Needed to unblind.")


class StudyFilter(filters.FilterSet):
    title = filters.CharFilter(lookup_expr="icontains", label="Part of the title.")
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lte")
    simulated = TrueOrFalse(
        method="choose_simulated", label="Also copies that simulated readers fill."
    )
    ordering = filters.OrderingFilter(fields=["created_at", "title", "state"])

    class Meta:
        model = Study
        fields = ["state", "title", "created_after", "created_before", "simulated"]

    def choose_simulated(self, rows: QuerySet[Study], name: str, value: bool) -> QuerySet[Study]:
        return rows if value else rows.filter(simulated=False)


EXAMPLE = {
    "title": "Polyps",
    "prompts": "medvqa-gi",
    "pairs": 20,
    "references": "polyps:test",
    "generators": ["fern", "moss", "reed"],
    "seed": 2026,
}


@extend_schema(tags=["Studies"])
@extend_schema_view(
    list=extend_schema(summary="Studies that one runs or follows"),
    retrieve=extend_schema(summary="A study, and where it stands"),
)
class Studies(mixins.ListModelMixin, mixins.RetrieveModelMixin, Resource):
    scope = "studies"
    queryset = Study.objects.none()
    serializer_class = StudySerializer
    filterset_class = StudyFilter
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[Study]:
        rows = Study.objects.followed_by(self.user).defer("manifest").select_related("owner")
        cases = Case.objects.filter(study=OuterRef("pk"))
        readers = Reader.objects.filter(study=OuterRef("pk")).exclude(state=Reader.State.REVOKED)
        readings = Reading.objects.filter(reader__study=OuterRef("pk"))
        return rows.annotate(
            cases_count=_number(cases.filter(practice=False), "study"),
            practice_cases=_number(cases.filter(practice=True), "study"),
            readers_count=_number(readers, "study"),
            planned=_number(readings, "reader__study"),
            submitted=_number(readings.exclude(submitted_at=None), "reader__study"),
        ).order_by("-created_at", "-pk")

    def filter_queryset(self, queryset: Any) -> Any:
        """Without simulated copies, unless one is asked for by its slug or all are."""
        rows: Any = super().filter_queryset(queryset)
        return rows if self.detail or "simulated" in self.request.query_params else rows.real()

    def answered(self, study: Study, status: int = 200) -> Response:
        """The study as it is now."""
        return Response(self.shown(self.get_queryset().get(pk=study.pk)), status=status)

    @extend_schema(
        summary="Make a study",
        request=SentStudy,
        responses={201: StudySerializer},
        examples=[OpenApiExample("Twenty pairs, three arms", value=EXAMPLE, request_only=True)],
    )
    def create(self, request: Request) -> Response:
        """A draft. `references` is a data set's slug and a split: `polyps:test`. `protocol` is
        `preset:KEY`, `own:ID` or `study:SLUG`; by default the paper's."""
        return self._made(StudyForm, self.given(SentStudy), status=201)

    @extend_schema(summary="Change a draft", request=SentCopy, responses=StudySerializer)
    def partial_update(self, request: Request, slug: str) -> Response:
        """As long as no images were asked for; what isn't sent stays as it is."""
        study = get_object_or_404(Study.objects.managed_by(self.user), slug=slug)
        check_state(study, act="change", when=[Study.State.DRAFT])
        return self._made(partial(StudyForm, study=study), self.given(SentCopy))

    @extend_schema(summary="Delete a draft")
    def destroy(self, request: Request, slug: str) -> Response:
        study = get_object_or_404(Study.objects.managed_by(self.user), slug=slug)
        delete_study(study=study, by=self.user)
        return Response(status=204)

    @extend_schema(summary="Copy a study", request=SentCopy, responses={201: StudySerializer})
    @action(detail=True, methods=["post"], url_path="copies")
    def copy(self, request: Request, slug: str) -> Response:
        """A draft with the same choices, but for those that are sent."""
        study = get_object_or_404(Study.objects.managed_by(self.user), slug=slug)
        return self._made(StudyForm, {**like(study), **self.given(SentCopy)}, status=201)

    def _made(
        self, make: Callable[..., StudyForm], sent: dict[str, Any], **status: int
    ) -> Response:
        """The study of this form, with what it begins with where nothing was sent."""
        form = make(self.user, {**make(self.user).initial, **sent})
        check_form(form)
        return self.answered(saved(form, form.save()), **status)

    @extend_schema(
        summary="What a study would take, and what it could find",
        request=SentStudy,
        responses=EstimateSerializer,
    )
    def estimate(self, request: Request) -> Response:
        """Nothing is made."""
        form = StudyForm(self.user, {**StudyForm(self.user).initial, **self.given(SentStudy)})
        estimate = form.estimate
        check_form(form)
        return Response(EstimateSerializer(estimate).data)

    @extend_schema(
        summary="Take a study a step on",
        request=SentStep,
        responses=StudySerializer,
        examples=[
            OpenApiExample("Seal", value={"act": "seal"}, request_only=True),
            OpenApiExample(
                "Unblind",
                value={"act": "unblind", "reason": "The safety board asks for it."},
                request_only=True,
            ),
        ],
    )
    @action(detail=True, methods=["post"])
    def steps(self, request: Request, slug: str) -> Response:
        """`generate` asks for the images, `check` confirms that somebody looked at them, then
        `seal`, `open`, `close`. To `open`, a worker audits the blinding first: see `…/audits/`.
        `unblind` shows results by arm, for a reason that stays on record."""
        study = get_object_or_404(Study.objects.managed_by(self.user), slug=slug)
        sent = self.given(SentStep)
        if sent["act"] == "unblind":
            if not sent.get("reason", "").strip():
                raise ValidationError({"reason": ["Say why: it is kept with the study."]})
            unblind_study(study=study, by=self.user, reason=sent["reason"])
        else:
            ACTS[sent["act"]](study=study, by=self.user)
        return self.answered(study)

    @extend_schema(summary="The protocol of a study", responses=ProtocolSerializer)
    @action(detail=True, filter_backends=[], pagination_class=None)
    def protocol(self, request: Request, slug: str) -> Response:
        """As it was when the study was made."""
        return Response(ProtocolSerializer(self.get_object().protocol.to_dict()).data)


def _number(rows: QuerySet[Any], of: str) -> Coalesce:
    """How many of these rows there are of each study."""
    counted = rows.order_by().values(of).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0, output_field=IntegerField())
