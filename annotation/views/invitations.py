"""Invitations: a researcher makes, sends and revokes them; whoever opens one becomes a reader."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.errors import StudyError
from annotation.invitations import (
    InvitationError,
    accept,
    address_of,
    check_invited,
    check_open,
    find_invitation,
    invite,
    revoke_invitation,
    send,
)
from annotation.models import Study
from annotation.views.asked import asked
from generation.permissions import Request, researcher_required

PRINTING = [f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "dummy")]
LINK = "invitation"  # in the session, so that no address but the first holds it


class InviteForm(forms.Form):
    email = forms.EmailField(required=False, max_length=254)


class AccountForm(UserCreationForm):
    """A new account: the name to sign in with, an e-mail address, a password twice."""

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["username"].widget.attrs.pop("autofocus", None)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"


@require_POST
@researcher_required
def study_invite(request: Request, slug: str) -> HttpResponse:
    """Make a link, and send it where an address is given."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    form = InviteForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["email"])))
        return redirect(study)
    email = form.cleaned_data["email"]
    try:
        invitation = invite(study=study, by=request.user, email=email)
    except StudyError as error:
        messages.error(request, str(error))
        return redirect(study)
    if not email:
        messages.success(request, "The link is made: copy it below.")
        return redirect(study)
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
    return redirect(study)


@require_POST
@researcher_required
def study_uninvite(request: Request, slug: str, pk: int) -> HttpResponse:
    """Revoke an invitation that nobody has accepted."""
    study = get_object_or_404(Study.objects.owned_by(request.user), slug=slug)
    invitation = get_object_or_404(study.invitations, pk=pk)
    try:
        revoke_invitation(invitation=invitation, by=request.user)
    except StudyError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The invitation is revoked: its link opens nothing now.")
    return redirect(study)


def open_invitations(request: Request, study: Study) -> dict[str, Any]:
    """What annotation/study_readers.html shows of a study's invitations."""
    waiting = study.invitations.filter(accepted_at=None, revoked_at=None)
    return {
        "invitations": [(invitation, address_of(invitation, request)) for invitation in waiting],
        "mail_is_set_up": settings.EMAIL_BACKEND not in PRINTING,
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
    context: dict[str, Any] = {"link": request.session.get(LINK, "")}
    user = request.user if request.user.is_authenticated else None
    try:
        invitation = context["invitation"] = find_invitation(context["link"])
        if user and invitation.reader and invitation.reader.user_id == user.pk:
            return redirect("annotation:reader-study", invitation.study.slug)
        check_open(invitation)
        if user:
            check_invited(invitation, user)
        form = AccountForm(request.POST or None, initial={"email": invitation.email})
        if request.method == "POST" and (user or form.is_valid()):
            reader = accept(invitation=invitation, account=lambda: user or form.save())
            if not user:
                login(request, reader.user, backend=settings.AUTHENTICATION_BACKENDS[-1])
            return redirect("annotation:reader-study", reader.study.slug)
    except InvitationError as error:
        context["error"] = error
        return render(request, "annotation/invitation_refused.html", context, status=403)
    context |= {"study": invitation.study, "form": form, **asked(invitation.study)}
    return render(request, "annotation/invitation.html", context)
