"""What belongs to a study: arms, cases, the balance of its plan, its record and its audits."""

from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.balance import balance
from annotation.cases import exclude_case, include_case, sample_again
from annotation.models import Arm, AuditEvent, BlindingAudit, Case, CaseSet, Study
from annotation.openings import ask_audit
from annotation.plans import case_refs
from annotation.record import Answers, answer_faults, answers_of, faults
from annotation.references import change_references
from annotation.views.balance import MOST_READERS, plans_and_whose, verdict
from annotation.views.cases import as_presented
from annotation.views.record_words import event_words
from generation.api.fields import Sent, Text, Whole
from generation.api.problems import Refused
from generation.api.progress import PROGRESS, ProgressSerializer
from generation.api.resource import Resource
from generation.api.transport import number_in
from generation.models import Generator, Image, Run
from generation.runs import enqueue_run


class OfStudy(Resource):
    """Something under a study's address.

    Attributes:
        monitored: whether those who follow the study see it too; else only those who run it.
    """

    scope = "studies"
    monitored: ClassVar[bool] = False

    @property
    def study(self) -> Study:
        """The study in the address, for whoever may see this."""
        rows = Study.objects.all()
        found = rows.followed_by(self.user) if self.monitored else rows.managed_by(self.user)
        return get_object_or_404(found, slug=self.kwargs["slug"])

    @property
    def managed(self) -> Study:
        """The same for whoever may change it."""
        return get_object_or_404(Study.objects.managed_by(self.user), slug=self.kwargs["slug"])

    def get_serializer_context(self) -> dict[str, Any]:
        """With ``manages``: whether whoever asks may know all."""
        managed = Study.objects.managed_by(self.user).filter(slug=self.kwargs["slug"])
        return {**super().get_serializer_context(), "manages": managed.exists()}


class ArmRunSerializer(ProgressSerializer):
    class Meta:
        model = Run
        fields = ["id", *PROGRESS]


class ArmSerializer(serializers.ModelSerializer):
    generator = serializers.SlugRelatedField[Generator](
        slug_field="slug", read_only=True, allow_null=True, help_text="null: real images."
    )
    name = serializers.CharField(source="__str__", read_only=True)
    run = ArmRunSerializer(
        read_only=True, allow_null=True, help_text="Of its images, once they are asked for."
    )

    class Meta:
        model = Arm
        fields = ["position", "generator", "name", "run"]


@extend_schema(tags=["Studies"])
@extend_schema_view(list=extend_schema(summary="Arms of a study, and how far their images are"))
class Arms(mixins.ListModelMixin, OfStudy):
    queryset = Arm.objects.none()
    serializer_class = ArmSerializer

    def get_queryset(self) -> QuerySet[Arm]:
        return self.study.arms.select_related("generator", "run").order_by("position")

    @extend_schema(summary="Cancel an arm's run", request=None, responses=ArmSerializer)
    def cancel(self, request: Request, slug: str, position: int) -> Response:
        arm = self._with_run(position)
        arm.run.cancel()
        return Response(self.shown(arm))

    @extend_schema(summary="Try an arm's run again", request=None, responses=ArmSerializer)
    def retry(self, request: Request, slug: str, position: int) -> Response:
        """What failed or was cancelled; images that are there stay."""
        arm = self._with_run(position)
        if not arm.run.retry():
            raise Refused("There is nothing to try again: it goes on, or it is done.")
        enqueue_run(arm.run)
        return Response(self.shown(arm))

    def _with_run(self, position: int) -> Any:
        arm = get_object_or_404(self.get_queryset(), position=position)
        if arm.run is None:
            raise Refused("This arm has no run: its images were not asked for yet, or are real.")
        return arm


class CaseSetSerializer(serializers.Serializer):
    arm = serializers.IntegerField(source="arm.position", help_text="Its position.")
    images = serializers.SerializerMethodField(help_text="Their numbers; see `/images/`.")

    def get_images(self, shown: Any) -> list[int]:
        return [image.pk for image in shown.images()]


class CaseSerializer(serializers.ModelSerializer):
    prompt = serializers.CharField(source="prompt.text", read_only=True)
    prompt_id = serializers.IntegerField(read_only=True)
    rephrasing_of = serializers.IntegerField(
        source="prompt.rephrasing_of_id", read_only=True, allow_null=True
    )
    references = serializers.SerializerMethodField(help_text="Numbers of the real images.")
    sets = CaseSetSerializer(many=True, read_only=True)

    class Meta:
        model = Case
        fields = [
            "position", "practice", "prompt", "prompt_id", "rephrasing_of", "references", "sets",
        ]  # fmt: skip

    def get_references(self, case: Case) -> list[int]:
        return [link.image_id for link in case.casereference_set.all()]


class SentReason(Sent):
    reason = Text(max_length=2000, help_text="Kept with the study.")


class SentReferences(Sent):
    add = serializers.PrimaryKeyRelatedField(
        queryset=Image.objects.real(),
        pk_field=Whole(),
        required=False,
        help_text="Number of a real image.",
    )
    remove = serializers.PrimaryKeyRelatedField(
        queryset=Image.objects.real(),
        pk_field=Whole(),
        required=False,
        help_text="Number of one that is there.",
    )


class OutSerializer(serializers.Serializer):
    left_out = serializers.ListField(
        child=serializers.IntegerField(), help_text="Their positions: a case, and its pair."
    )


@extend_schema(tags=["Studies"])
@extend_schema_view(
    list=extend_schema(summary="Cases of a study: prompts, references and sets"),
    retrieve=extend_schema(summary="A case of a study"),
)
class Cases(mixins.ListModelMixin, mixins.RetrieveModelMixin, OfStudy):
    queryset = Case.objects.none()
    serializer_class = CaseSerializer
    lookup_field = "position"

    def get_queryset(self) -> QuerySet[Case]:
        sets = Prefetch("sets", queryset=_sets())
        rows = self.study.cases.select_related("prompt").order_by("position")
        return rows.prefetch_related("casereference_set", sets)

    @extend_schema(summary="Leave a case out", request=SentReason, responses=OutSerializer)
    def exclude(self, request: Request, slug: str, position: int) -> Response:
        """Before sealing: for all arms, and with its pair; until then it can be brought back."""
        case, study = self.get_object(), self.managed
        reason = self.given(SentReason)["reason"]
        out = exclude_case(study=study, case=case, by=self.user, reason=reason)
        return Response({"left_out": [one.position for one in out]})

    @extend_schema(
        summary="Bring back a case that was left out", request=None, responses=CaseSerializer
    )
    def include(self, request: Request, slug: str, position: int) -> Response:
        """Before sealing, with its pair; the study has to be looked at once more."""
        include_case(study=self.managed, position=position, by=self.user)
        return Response(self.shown(self.get_object()))

    @extend_schema(
        summary="Change the references of a case",
        request=SentReferences,
        responses=CaseSerializer,
    )
    def references(self, request: Request, slug: str, position: int) -> Response:
        """Of a draft, and of the other case of its pair: add an image, remove one, or put one in
        another's place."""
        case, study = self.get_object(), self.managed
        sent = self.given(SentReferences)
        if not sent:
            raise ValidationError({"add": ["Name an image to add or to remove, by its number."]})
        change_references(study=study, case=case, by=self.user, **sent)
        return Response(self.shown(self.get_object()))

    @extend_schema(
        summary="Sample a set again", request=SentReason, responses={202: CaseSerializer}
    )
    def sample(self, request: Request, slug: str, position: int, arm: int) -> Response:
        """Before sealing, with another seed: a run of its own."""
        case, study = self.get_object(), self.managed
        shown = get_object_or_404(_sets().filter(case=case), arm__position=arm)
        reason = self.given(SentReason)["reason"]
        sample_again(study=study, shown=shown, by=self.user, reason=reason)
        return Response(self.shown(self.get_object()), status=202)


def _sets() -> QuerySet[Any]:
    rows = CaseSet.objects.select_related("arm").order_by("arm__position")
    return rows.prefetch_related("links", "image_set__images")


@extend_schema(tags=["Studies"])
class StudyImages(OfStudy):
    @extend_schema(
        summary="An image of a study", responses={(200, "image/jpeg"): OpenApiTypes.BINARY}
    )
    def retrieve(self, request: Request, slug: str, pk: int) -> HttpResponse:
        """As readers get it: for all who run the study, whoever had it made."""
        data = as_presented(self.study, pk, whole=True)
        return HttpResponse(data, content_type="image/jpeg")


class EventSerializer(serializers.ModelSerializer):
    who = serializers.CharField(read_only=True)
    detail = serializers.SerializerMethodField(
        help_text="Empty for monitors: it may say what an arm is like."
    )
    words = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = ["number", "at", "who", "act", "detail", "words", "previous", "digest"]

    def get_detail(self, event: AuditEvent) -> dict[str, Any]:
        return event.told if self.context["manages"] else {}

    def get_words(self, event: AuditEvent) -> str:
        return event_words(event, blinded=not self.context["manages"])


class RecordCheckSerializer(serializers.Serializer):
    whole = serializers.BooleanField(
        help_text="Whether every event, score and ranking is as it was written."
    )
    faults = serializers.ListField(child=serializers.CharField())
    answers = serializers.ChoiceField(
        [one.value for one in Answers], help_text="Scores and rankings against the closing."
    )
    events = serializers.IntegerField(help_text="How many.")
    digest = serializers.CharField(allow_blank=True, help_text="Of the last one.")


@extend_schema(tags=["Studies"])
@extend_schema_view(list=extend_schema(summary="Who did what in a study, and when"))
class Record(mixins.ListModelMixin, OfStudy):
    queryset = AuditEvent.objects.none()
    serializer_class = EventSerializer
    monitored = True

    def get_queryset(self) -> QuerySet[AuditEvent]:
        return self.study.events.order_by("number")

    @extend_schema(summary="Whether a study's record is whole", responses=RecordCheckSerializer)
    def check(self, request: Request, slug: str) -> Response:
        study = self.study
        answered = answer_faults(study)
        found = [*faults(study), *answered]
        answer = {
            "whole": not found,
            "faults": found,
            "answers": answers_of(study, answered),
            "events": study.events.count(),
            "digest": study.record_digest,
        }
        return Response(RecordCheckSerializer(answer).data)


class AuditSerializer(ProgressSerializer):
    class Meta:
        model = BlindingAudit
        fields = ["id", "opens", *PROGRESS]


@extend_schema(tags=["Studies"])
@extend_schema_view(
    list=extend_schema(summary="Audits of a study's blinding; what they found is in its record")
)
class Audits(mixins.ListModelMixin, OfStudy):
    queryset = BlindingAudit.objects.none()
    serializer_class = AuditSerializer

    def get_queryset(self) -> QuerySet[BlindingAudit]:
        return self.study.audits.order_by("-pk")

    @extend_schema(
        summary="Audit a study's blinding", request=None, responses={202: AuditSerializer}
    )
    def create(self, request: Request, slug: str) -> Response:
        """A worker fetches what each reader could get, and looks for anything that tells arms."""
        return Response(self.shown(ask_audit(study=self.managed, by=self.user)), status=202)


class PlaceSerializer(serializers.Serializer):
    arm = serializers.IntegerField(help_text="Its position.")
    place = serializers.CharField(help_text="A letter, or a round where sets are shown singly.")
    total = serializers.IntegerField(help_text="Over all cases of all readers.")
    least = serializers.IntegerField(help_text="Of any one reader.")
    most = serializers.IntegerField(help_text="Of any one reader.")


class BalanceSerializer(serializers.Serializer):
    readers = serializers.IntegerField()
    whose = serializers.CharField(help_text="Whose plan this is, in words.")
    even = serializers.BooleanField()
    verdict = serializers.CharField()
    places = PlaceSerializer(many=True)


@extend_schema(tags=["Studies"])
class PlanBalance(OfStudy):
    serializer_class = BalanceSerializer

    @extend_schema(
        summary="How balanced a study's plan is",
        parameters=[
            OpenApiParameter(
                "readers",
                int,
                description=f"For so many readers, 1 to {MOST_READERS}; else for those there are.",
            )
        ],
    )
    def retrieve(self, request: Request, slug: str) -> Response:
        study = self.study
        text = request.query_params.get("readers")
        asked = number_in(text, name="readers", most=MOST_READERS)
        plans, whose = plans_and_whose(study, asked)
        arms = dict(study.arms.values_list("pk", "position"))
        together = study.protocol.together
        found = balance(
            list(plans.values()), cases=case_refs(study), arms=list(arms), together=together
        )
        places = [
            {
                "arm": position,
                "place": place,
                "total": found.totals[place, arm],
                "least": found.within[place, arm].least,
                "most": found.within[place, arm].most,
            }
            for arm, position in arms.items()
            for place in found.places
        ]
        answer = {
            "readers": found.readers,
            "whose": whose,
            "even": found.even,
            "verdict": verdict(found, list(plans), together),
            "places": places,
        }
        return Response(BalanceSerializer(answer).data)
