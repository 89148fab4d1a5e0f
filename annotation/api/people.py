"""Who helps to run a study, and how its readers get on; nothing here tells an arm."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.parts import OfStudy
from annotation.members import add_member, remove_member
from annotation.models import Member, Reader, Study
from annotation.monitoring import look_into, watch
from annotation.reminders import MOST_TEXT, check_running, remind, to_remind, usual_text
from generation.api.fields import Sent, Text, Whole, YesNo

READERS = 200
_CANNOT = (
    "Reader {} can't be reminded, so nobody was: name readers of the study who have cases left and "
    "are not paused."
)


class MemberSerializer(serializers.ModelSerializer):
    username = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Member
        fields = ["id", "username", "role", "added_at"]


class SentMember(Sent):
    username = Text(max_length=150)
    role = serializers.ChoiceField(choices=Member.Role.choices)


@extend_schema(tags=["Studies"])
@extend_schema_view(list=extend_schema(summary="Who helps to run or follow a study"))
class Members(mixins.ListModelMixin, OfStudy):
    """For the owner alone."""

    queryset = Member.objects.none()
    serializer_class = MemberSerializer

    @property
    def owned(self) -> Study:
        return get_object_or_404(Study.objects.owned_by(self.user), slug=self.kwargs["slug"])

    def get_queryset(self) -> QuerySet[Member]:
        return self.owned.members.select_related("user").order_by("added_at", "pk")

    @extend_schema(
        summary="Name a co-investigator or a monitor",
        request=SentMember,
        responses={201: MemberSerializer},
    )
    def create(self, request: Request, slug: str) -> Response:
        study, sent = self.owned, self.given(SentMember)
        user = User.objects.filter(username=sent["username"]).first()
        if user is None:
            raise ValidationError({"username": [f"There is no account “{sent['username']}”."]})
        member = add_member(study=study, user=user, role=sent["role"], by=self.user)
        return Response(self.shown(member), status=201)

    @extend_schema(summary="End a member's part")
    def destroy(self, request: Request, slug: str, pk: int) -> Response:
        remove_member(study=self.owned, member=self.get_object(), by=self.user)
        return Response(status=204)


class SignSerializer(serializers.Serializer):
    rule = serializers.CharField(source="sign.rule")
    title = serializers.CharField()
    words = serializers.CharField(source="sign.words", help_text="What was seen, in numbers.")
    cases = serializers.ListField(
        source="sign.cases", child=serializers.IntegerField(), help_text="Places of the readings."
    )
    open = serializers.BooleanField(help_text="Nobody has looked into it as it is now.")


class WatchedSerializer(serializers.Serializer):
    number = serializers.IntegerField(source="reader.number")
    pseudonym = serializers.CharField(source="reader.pseudonym")
    standing = serializers.CharField(source="reader.standing")
    readings = serializers.IntegerField(source="reader.planned")
    readings_submitted = serializers.IntegerField(source="reader.submitted")
    usual_seconds = serializers.FloatField(
        source="usual", allow_null=True, help_text="Median of the cases that are in."
    )
    missing = serializers.IntegerField(help_text="Answers, of cases that were begun.")
    not_applicable = serializers.IntegerField()
    comments = serializers.IntegerField()
    visits = serializers.IntegerField()
    last_seen = serializers.DateTimeField(allow_null=True)
    signs = SignSerializer(source="noticed", many=True, help_text="What deserves a look.")


class SentNote(Sent):
    note = Text(max_length=2000, help_text="What came of the look; kept with the study.")


@extend_schema(tags=["Readers"])
class Monitoring(OfStudy):
    queryset = Reader.objects.none()
    serializer_class = WatchedSerializer
    monitored = True

    @extend_schema(
        summary="How the readers of a study get on", responses=WatchedSerializer(many=True)
    )
    def list(self, request: Request, slug: str) -> Response:
        """Blinded: for who runs or monitors it, also while it runs."""
        return self.paged(watch(self.study), WatchedSerializer)

    @extend_schema(
        summary="Say what came of a look into a sign",
        request=SentNote,
        responses=WatchedSerializer,
    )
    def look(self, request: Request, slug: str, number: int, rule: str) -> Response:
        study = self.study
        reader = get_object_or_404(study.readers, number=number)
        note = self.given(SentNote)["note"]
        look_into(study=study, reader=reader, rule=rule, note=note, by=self.user)
        (watched,) = watch(study, number=number)
        return Response(WatchedSerializer(watched).data)


class SentReminder(Sent):
    readers = serializers.ListField(
        child=Whole(min_value=1, max_value=10_000),
        required=False,
        max_length=READERS,
        help_text="Their numbers; else all who are behind.",
    )
    texts = serializers.DictField(
        child=Text(max_length=MOST_TEXT),
        required=False,
        default=dict,
        help_text="By language, instead of the usual text; names in braces are filled in.",
    )
    again = YesNo(
        required=False, default=False, help_text="Also those who were reminded within a day."
    )

    def validate_texts(self, texts: dict[str, str]) -> dict[str, str]:
        there = dict(settings.LANGUAGES)
        if unknown := sorted(texts.keys() - there.keys()):
            raise ValidationError(f"No language “{unknown[0]}”; there are: {', '.join(there)}.")
        return texts


class RemindedSerializer(serializers.Serializer):
    asked = serializers.ListField(child=serializers.CharField(), help_text="Pseudonyms.")
    problems = serializers.ListField(child=serializers.CharField())


@extend_schema(tags=["Readers"])
class Reminders(OfStudy):
    serializer_class = RemindedSerializer

    @extend_schema(
        summary="Remind readers by e-mail",
        request=SentReminder,
        responses={200: RemindedSerializer},
        examples=[OpenApiExample("All who are behind", value={}, request_only=True)],
    )
    def create(self, request: Request, slug: str) -> Response:
        study, sent = self.managed, self.given(SentReminder)
        check_running(study)
        found: list[Any] = to_remind(study)
        if "readers" in sent:
            found = [reader for reader in found if reader.number in sent["readers"]]
            if others := set(sent["readers"]) - {reader.number for reader in found}:
                raise ValidationError({"readers": [_CANNOT.format(min(others))]})
        else:
            found = [reader for reader in found if reader.behind and not reader.recently]
        languages = {reader.language for reader in found}
        where = request.build_absolute_uri(reverse("annotation:reader-study", args=[slug]))
        problems = remind(
            study=study,
            readers=found,
            texts={code: sent["texts"].get(code) or usual_text(code) for code in languages},
            address=lambda: where,
            by=self.user,
            again=sent["again"],
        )
        return Response({"asked": [str(reader) for reader in found], "problems": problems})
