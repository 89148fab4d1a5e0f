"""Researchers' accounts: the administrator names and invites them; who is invited accepts."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required, user_passes_test
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.account_forms import AccountForm
from annotation.accounts import (
    AccountError,
    accept_researcher,
    end_researcher,
    invite_researcher,
    make_researcher,
    researchers,
    send_to_researcher,
)
from annotation.links import (
    InvitationError,
    address_of,
    check_link,
    find_link,
    mail_is_set_up,
    message_languages,
    renew_link,
    revoke_link,
)
from annotation.models import ResearcherInvitation
from annotation.views.invitations import InviteForm
from generation.permissions import Request, View, english, is_researcher

LINK = "researcher-invitation"  # in the session, so that no address but the first holds it


def administrator_required(view: View) -> View:
    """Refuse (403) everyone but superusers."""

    def allowed(user: Any) -> bool:
        if user.is_authenticated and not user.is_superuser:
            raise PermissionDenied
        return user.is_authenticated

    return user_passes_test(allowed)(english(view))


@never_cache
@require_safe
@administrator_required
def researcher_list(request: Request) -> HttpResponse:
    """Who may make studies, and who is invited to."""
    waiting = ResearcherInvitation.objects.waiting()
    context = {
        "researchers": researchers(),
        "invitations": [(link, address_of(link, request)) for link in waiting],
        "mail_is_set_up": mail_is_set_up(),
        "languages": message_languages(),
    }
    return render(request, "accounts/researcher_list.html", context)


@require_POST
@administrator_required
def researcher_invite(request: Request) -> HttpResponse:
    """Make a link, and send it where an address is given."""
    form = InviteForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.problem)
        return redirect("annotation:researcher-list")
    try:
        invitation = invite_researcher(by=request.user, **form.cleaned_data)
    except AccountError as error:
        messages.error(request, str(error))
    else:
        _sent(request, invitation)
    return redirect("annotation:researcher-list")


@require_POST
@administrator_required
def researcher_invitation_act(request: Request, pk: int, act: str) -> HttpResponse:
    """Revoke an invitation, or let it stand for thirty days from now and send it again."""
    invitation = get_object_or_404(ResearcherInvitation, pk=pk)
    if not (revoke_link if act == "revoke" else renew_link)(invitation):
        messages.error(request, "This invitation has been accepted or revoked already.")
    elif act == "renew":
        _sent(request, invitation)
    else:
        messages.success(request, "The invitation is revoked: its link opens nothing now.")
    return redirect("annotation:researcher-list")


@require_POST
@administrator_required
def researcher_add(request: Request) -> HttpResponse:
    """Make a researcher of somebody who has an account."""
    name = request.POST.get("username", "").strip()
    user = User.objects.filter(username=name).first()
    if user is None:
        messages.error(request, f"There is no account “{name}”. Invite them instead.")
    else:
        make_researcher(user)
        messages.success(request, f"{name} is a researcher now.")
    return redirect("annotation:researcher-list")


@require_POST
@administrator_required
def researcher_end(request: Request, pk: int) -> HttpResponse:
    """Take a researcher's right to make studies; their account and studies stay."""
    user = get_object_or_404(researchers(), pk=pk)
    try:
        end_researcher(user)
    except AccountError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{user} is no researcher any more. Their studies stay.")
    return redirect("annotation:researcher-list")


def _sent(request: Request, invitation: ResearcherInvitation) -> None:
    """Send it where there is an address, and say what became of it."""
    if not invitation.email:
        messages.success(request, "The link is good for 30 days: copy it below.")
        return
    try:
        send_to_researcher(invitation=invitation, address=address_of(invitation, request))
    except OSError as error:
        messages.error(
            request,
            f"The message to {invitation.email} could not be sent ({error}). Copy the link below, "
            "and send it yourself.",
        )
    else:
        messages.success(request, f"{invitation.email} is invited. The link stands below, too.")


# For who is invited


@require_safe
@login_not_required
def researcher_invitation_open(request: HttpRequest, link: str) -> HttpResponse:
    """Keep the link for this visit, so that no other address, log or referrer holds it."""
    request.session[LINK] = link
    return redirect("annotation:researcher-invitation")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
def researcher_invitation(request: Request) -> HttpResponse:
    """A person who is signed in accepts; somebody else signs in, or sets up an account."""
    link = request.session.get(LINK, "")
    context: dict[str, Any] = {
        "opened": reverse("annotation:researcher-invitation-open", args=[link or "-"]),
        "leads_to": reverse("home"),
    }
    user = request.user if request.user.is_authenticated else None
    try:
        invitation = context["invitation"] = find_link(ResearcherInvitation, link)
        if user and is_researcher(user):
            return redirect("home")
        check_link(invitation)
        form = AccountForm(request.POST or None, initial={"email": invitation.email})
        if request.method == "POST" and (user or form.is_valid()):
            accepted = accept_researcher(invitation=invitation, account=lambda: user or form.save())
            if not user:
                login(request, accepted, backend=settings.AUTHENTICATION_BACKENDS[-1])
            return redirect("home")
    except InvitationError as error:
        context["error"] = error
        return render(request, "annotation/invitation_refused.html", context, status=403)
    return render(request, "accounts/researcher_invitation.html", context | {"form": form})
