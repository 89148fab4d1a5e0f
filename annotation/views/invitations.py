"""Invitations: a researcher makes, sends and revokes them; whoever opens one becomes a reader."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.account_forms import AccountForm
from annotation.errors import StudyError
from annotation.invitations import (
    accept,
    check_invited,
    check_open,
    invite,
    renew_invitation,
    revoke_invitation,
    send,
)
from annotation.links import (
    InvitationError,
    address_of,
    find_link,
    mail_is_set_up,
    message_languages,
)
from annotation.models import Invitation, Study
from annotation.views.asked import asked
from generation.permissions import Request, researcher_required

LINK = "invitation"  # in the session, so that no address but the first holds it


class InviteForm(forms.Form):
    email = forms.EmailField(required=False, max_length=254)
    language = forms.ChoiceField(required=False, choices=settings.LANGUAGES)

    @property
    def problem(self) -> str:
        """What is wrong, in a sentence or two."""
        return " ".join(str(message) for errors in self.errors.values() for message in errors)


class ReaderInviteForm(InviteForm):
    slot = forms.IntegerField(required=False, min_value=1)


@require_POST
@researcher_required
def study_invite(request: Request, slug: str) -> HttpResponse:
    """Make a link, and send it where an address is given."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    form = ReaderInviteForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.problem)
        return redirect(study)
    try:
        invitation = invite(study=study, by=request.user, **form.cleaned_data)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        _sent(request, invitation)
    return redirect(f"{study.get_absolute_url()}#readers")


@require_POST
@researcher_required
def study_uninvite(request: Request, slug: str, pk: int) -> HttpResponse:
    """Revoke an invitation that nobody has accepted."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    invitation = get_object_or_404(study.invitations, pk=pk)
    try:
        revoke_invitation(invitation=invitation, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The invitation is revoked: its link opens nothing now.")
    return redirect(f"{study.get_absolute_url()}#readers")


@require_POST
@researcher_required
def study_renew(request: Request, slug: str, pk: int) -> HttpResponse:
    """Let an invitation stand for thirty days from now, and send it again."""
    study = get_object_or_404(Study.objects.managed_by(request.user), slug=slug)
    invitation = get_object_or_404(study.invitations, pk=pk)
    try:
        renew_invitation(invitation=invitation, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        _sent(request, invitation)
    return redirect(f"{study.get_absolute_url()}#readers")


def _sent(request: Request, invitation: Invitation) -> None:
    """Send it where there is an address, and say what became of it."""
    email = invitation.email
    if not email:
        messages.success(request, "The link is good for 30 days: copy it below.")
        return
    try:
        send(invitation=invitation, address=address_of(invitation, request))
    except OSError as error:
        messages.error(
            request,
            f"The message to {email} could not be sent ({error}). The link is made: copy it below, "
            "and send it yourself.",
        )
    else:
        messages.success(request, f"{email} is invited. The link stands below, too.")


def open_invitations(request: Request, study: Study) -> dict[str, Any]:
    """What annotation/study_readers.html shows of a study's invitations."""
    waiting = study.invitations.waiting()
    return {
        "invitations": [(invitation, address_of(invitation, request)) for invitation in waiting],
        "mail_is_set_up": mail_is_set_up(),
        "languages": message_languages(),
    }


@require_safe
@login_not_required
def invitation_open(request: Request, link: str) -> HttpResponse:
    """Keep the link for this visit, so that no other address, log or referrer holds it."""
    request.session[LINK] = link
    return redirect("annotation:invitation")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
def invitation(request: Request) -> HttpResponse:
    """Say what the study is and who invites. A person who is signed in accepts; somebody else
    signs in, or sets up an account and so accepts."""
    link = request.session.get(LINK, "")
    context: dict[str, Any] = {"opened": reverse("annotation:invitation-open", args=[link or "-"])}
    user = request.user if request.user.is_authenticated else None
    try:
        invitation = context["invitation"] = find_link(Invitation, link)
        context["leads_to"] = reverse("annotation:reader-study", args=[invitation.study.slug])
        if user and invitation.reader and invitation.reader.user_id == user.pk:
            return redirect(context["leads_to"])
        check_open(invitation)
        if user:
            check_invited(invitation, user)
        form = AccountForm(request.POST or None, initial={"email": invitation.email})
        if request.method == "POST" and (user or form.is_valid()):
            reader = accept(invitation=invitation, account=lambda: user or form.save())
            if not user:
                login(request, reader.user, backend=settings.AUTHENTICATION_BACKENDS[-1])
            return redirect(context["leads_to"])
    except InvitationError as error:
        context["error"] = error
        return render(request, "annotation/invitation_refused.html", context, status=403)
    context |= {"study": invitation.study, "form": form, **asked(invitation.study)}
    return render(request, "annotation/invitation.html", context)
