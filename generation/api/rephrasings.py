"""Other words for prompts: asked for, proposed, approved or rejected."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from generation.api.datasets import PromptSerializer
from generation.api.fields import Sent, Text, Whole
from generation.api.progress import PROGRESS, Job, ProgressSerializer
from generation.api.resource import Resource
from generation.datasets.records import MAX_CAPTION
from generation.models import Dataset, Proposal, Rephrasing
from generation.prompt_views import VARIANTS
from generation.rephrasings import approve, create_rephrasing, reject


class RephrasingSerializer(ProgressSerializer):
    problems = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Rephrasing
        fields = ["id", "source", "variants", "problems", *PROGRESS]


class SentRephrasing(Sent):
    source = serializers.ChoiceField(  # type: ignore[assignment] # a field
        choices=Rephrasing.Source.choices
    )
    variants = Whole(
        required=False,
        default=1,
        min_value=1,
        max_value=VARIANTS,
        help_text="So many for each prompt, with those that are there.",
    )


@extend_schema(tags=["Data"])
@extend_schema_view(
    list=extend_schema(summary="Rephrasings that were asked for"),
    retrieve=extend_schema(summary="How far the proposing of rephrasings is"),
)
class Rephrasings(Job):
    scope = "data"
    queryset = Rephrasing.objects.none()
    serializer_class = RephrasingSerializer

    def get_queryset(self) -> QuerySet[Rephrasing]:
        dataset = get_object_or_404(Dataset, slug=self.kwargs["slug"])
        rows = Rephrasing.objects.filter(dataset=dataset)
        return (rows.owned_by(self.user) if self.action == "cancel" else rows).order_by("-pk")

    @extend_schema(
        summary="Ask for rephrasings of all prompts",
        request=SentRephrasing,
        responses={202: RephrasingSerializer},
    )
    def create(self, request: Request, slug: str) -> Response:
        """They are proposals: see `…/proposals/`."""
        dataset = get_object_or_404(Dataset, slug=slug)
        job = create_rephrasing(dataset=dataset, by=self.user, **self.given(SentRephrasing))
        return Response(self.shown(job), status=202)


class ProposalSerializer(serializers.ModelSerializer):
    prompt = PromptSerializer(read_only=True)

    class Meta:
        model = Proposal
        fields = ["id", "prompt", "text", "origin", "created_at"]


class SentApproval(Sent):
    text = Text(
        required=False, max_length=MAX_CAPTION, help_text="Edited; else as it was proposed."
    )


@extend_schema(tags=["Data"])
@extend_schema_view(list=extend_schema(summary="Rephrasings that wait for approval"))
class Proposals(mixins.ListModelMixin, Resource):
    scope = "data"
    queryset = Proposal.objects.none()
    serializer_class = ProposalSerializer

    def get_queryset(self) -> QuerySet[Proposal]:
        dataset = get_object_or_404(Dataset, slug=self.kwargs["slug"])
        rows = Proposal.objects.open().filter(prompt__dataset=dataset)
        return rows.select_related("prompt__dataset").order_by("prompt", "pk")

    @extend_schema(
        summary="Approve a rephrasing", request=SentApproval, responses={201: PromptSerializer}
    )
    def approve(self, request: Request, slug: str, pk: int) -> Response:
        """It becomes a prompt of the data set."""
        proposal = self.get_object()
        text = self.given(SentApproval).get("text", proposal.text)
        return Response(PromptSerializer(approve(proposal, text=text)).data, status=201)

    @extend_schema(summary="Reject a rephrasing", request=None, responses={204: None})
    def reject(self, request: Request, slug: str, pk: int) -> Response:
        """The same words aren't proposed again."""
        reject(self.get_object())
        return Response(status=204)
