"""Who reads a study, and who is invited to."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.parts import OfStudy, SentReason
from annotation.erasure import erase_reader
from annotation.invitations import invite, renew_invitation, revoke_invitation, send
from annotation.links import address_of
from annotation.models import Invitation, Reader, Study
from annotation.readers import (
    add_reader,
    pause_reader,
    resume_reader,
    revoke_reader,
    with_standing,
)
from generation.api.fields import Sent, Text, Whole, YesNo
from generation.models import AccessToken


class ReaderSerializer(serializers.ModelSerializer):
    username = serializers.SerializerMethodField(
        help_text="null for monitors: they see pseudonyms alone."
    )
    pseudonym = serializers.CharField(read_only=True, help_text="As in results and exports.")
    standing = serializers.CharField(read_only=True, help_text="How far they are, in a word.")
    readings = serializers.IntegerField(source="planned", read_only=True, help_text="Planned.")
    readings_submitted = serializers.IntegerField(source="submitted", read_only=True)

    class Meta:
        model = Reader
        fields = [
            "number", "pseudonym", "username", "slot", "state", "standing", "readings",
            "readings_submitted", "invited_at", "consented_at", "finished_at", "paused_at",
            "erased_at",
        ]  # fmt: skip

    def get_username(self, reader: Reader) -> str | None:
        return reader.user.get_username() if self.context["manages"] else None


class PassageSerializer(serializers.Serializer):
    where = serializers.CharField()
    text = serializers.CharField(help_text="Empty where results are still hidden.")


class ErasedReaderSerializer(ReaderSerializer):
    account_deleted = serializers.BooleanField(help_text="Else it has other parts here.")
    masked = PassageSerializer(many=True, help_text="Where their name stood, as it reads now.")
    to_read = PassageSerializer(
        many=True, help_text="Where a name may still stand, for a person to read."
    )

    class Meta(ReaderSerializer.Meta):
        fields = [*ReaderSerializer.Meta.fields, "account_deleted", "masked", "to_read"]


class SentReader(Sent):
    username = Text(max_length=150)


class InvitationSerializer(serializers.ModelSerializer):
    address = serializers.SerializerMethodField(
        help_text="What to open to accept it; null once it can't be, and for read-only tokens."
    )
    open = serializers.BooleanField(read_only=True)
    reader = serializers.IntegerField(
        source="reader.number",
        default=None,
        allow_null=True,
        read_only=True,
        help_text="Whoever accepted it.",
    )

    class Meta:
        model = Invitation
        fields = [
            "id", "email", "address", "open", "reader", "created_at", "expires_at", "accepted_at",
            "revoked_at",
        ]  # fmt: skip

    def get_address(self, invitation: Invitation) -> str | None:
        request = self.context["request"]
        token = request.auth
        if isinstance(token, AccessToken) and not token.allows("studies:write"):
            return None  # whoever has it can become a reader
        return address_of(invitation, request) if invitation.open else None


class MadeInvitationSerializer(InvitationSerializer):
    not_sent = serializers.CharField(
        help_text="Why the message could not be sent; empty where it was, or none was asked for."
    )

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "not_sent"]


class SentInvitation(Sent):
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254, default="")
    language = serializers.ChoiceField(
        required=False, choices=settings.LANGUAGES, help_text="Of the message."
    )
    slot = Whole(
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Place of somebody whose part has ended, to be kept for whoever accepts.",
    )
    send = YesNo(required=False, default=True, help_text="Send the link, where there is an email.")


@extend_schema(tags=["Readers"])
class Readers(OfStudy):
    queryset = Reader.objects.none()
    serializer_class = ReaderSerializer
    monitored = True

    @extend_schema(summary="Readers of a study, and how far each is")
    def list(self, request: Request, slug: str) -> Response:
        return self.paged(with_standing(self.study), ReaderSerializer)

    def answered(self, reader: Reader, status: int = 200) -> Response:
        row = next(row for row in with_standing(self.study) if row.pk == reader.pk)
        return Response(self.shown(row), status=status)

    @extend_schema(
        summary="Add a reader who has an account",
        request=SentReader,
        responses={201: ReaderSerializer},
    )
    def create(self, request: Request, slug: str) -> Response:
        study = self.managed  # first: nobody else learns here who has an account
        name = self.given(SentReader)["username"]
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise ValidationError({"username": [f"There is no account “{name}”: invite them."]})
        reader = add_reader(study=study, user=user, by=self.user)
        return self.answered(reader, 201)

    @extend_schema(summary="End a reader's part", request=SentReason, responses=ReaderSerializer)
    def revoke(self, request: Request, slug: str, number: int) -> Response:
        """Their answers stay on record but count for nothing; the next reader gets their place."""
        study = self.managed
        reader = get_object_or_404(study.readers, number=number)
        reason = self.given(SentReason)["reason"]
        revoke_reader(study=study, reader=reader, by=self.user, reason=reason)
        return self.answered(reader)

    @extend_schema(summary="Pause a reader", request=None, responses=ReaderSerializer)
    def pause(self, request: Request, slug: str, number: int) -> Response:
        """They see nothing of the study until they are let go on; answers are kept."""
        study = self.managed
        reader = get_object_or_404(study.readers, number=number)
        pause_reader(study=study, reader=reader, by=self.user)
        return self.answered(reader)

    @extend_schema(summary="Let a paused reader go on", request=None, responses=ReaderSerializer)
    def resume(self, request: Request, slug: str, number: int) -> Response:
        study = self.managed
        reader = get_object_or_404(study.readers, number=number)
        resume_reader(study=study, reader=reader, by=self.user)
        return self.answered(reader)

    @extend_schema(summary="Erase who a reader is", request=None, responses=ErasedReaderSerializer)
    def erase(self, request: Request, slug: str, number: int) -> Response:
        """For the owner alone. Name, account and addresses go; answers stay under the pseudonym,
        and what names the reader in them is masked."""
        study = get_object_or_404(Study.objects.owned_by(self.user), slug=slug)
        reader = get_object_or_404(study.readers, number=number)
        done = erase_reader(study=study, reader=reader, by=self.user)
        row = next(row for row in with_standing(study) if row.pk == reader.pk)
        row.account_deleted, row.masked, row.to_read = (
            done.account_deleted, done.masked, done.to_read,
        )  # fmt: skip
        context = self.get_serializer_context()
        return Response(ErasedReaderSerializer(row, context=context).data)


@extend_schema(tags=["Readers"])
@extend_schema_view(list=extend_schema(summary="Invitations to a study"))
class Invitations(mixins.ListModelMixin, OfStudy):
    queryset = Invitation.objects.none()
    serializer_class = InvitationSerializer

    def get_queryset(self) -> QuerySet[Invitation]:
        return self.managed.invitations.select_related("reader").order_by("-pk")

    @extend_schema(
        summary="Invite a reader",
        request=SentInvitation,
        responses={201: MadeInvitationSerializer},
    )
    def create(self, request: Request, slug: str) -> Response:
        """By e-mail, or with nobody's address: a link to hand on."""
        study, sent = self.managed, self.given(SentInvitation)
        told = sent.pop("send")
        invitation = invite(study=study, by=self.user, **sent)
        return self._told(invitation, send_it=told, status=201)

    @extend_schema(summary="Renew an invitation", request=None, responses=MadeInvitationSerializer)
    def renew(self, request: Request, slug: str, pk: int) -> Response:
        """It stands for thirty days more, and is sent again where there is an address."""
        invitation = get_object_or_404(self.get_queryset(), pk=pk)
        renew_invitation(invitation=invitation, by=self.user)
        return self._told(invitation, send_it=True)

    def _told(self, invitation: Any, *, send_it: bool, status: int = 200) -> Response:
        invitation.not_sent = ""
        if invitation.email and send_it:
            try:
                send(invitation=invitation, address=address_of(invitation, self.request))
            except OSError as error:
                invitation.not_sent = f"{error}"
        context = self.get_serializer_context()
        return Response(MadeInvitationSerializer(invitation, context=context).data, status=status)

    @extend_schema(summary="Revoke an invitation", request=None, responses=InvitationSerializer)
    def revoke(self, request: Request, slug: str, pk: int) -> Response:
        invitation = get_object_or_404(self.get_queryset(), pk=pk)
        revoke_invitation(invitation=invitation, by=self.user)
        invitation.refresh_from_db()
        return Response(self.shown(invitation))
