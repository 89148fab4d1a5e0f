"""Accounts: signing in, the first account, signing up where that is open, one's own account."""

import logging

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language as set_cookie

from annotation.account_forms import AccountForm, FirstAccountForm, OwnAccountForm
from annotation.accounts import (
    AccountError,
    has_accounts,
    is_at_home,
    language_of,
    make_first_account,
    make_researcher,
    set_language,
    setup_code,
    sign_out_everywhere,
)
from annotation.links import mail_is_set_up
from generation.permissions import Request, english

logger = logging.getLogger(__name__)


class SignIn(auth.LoginView):
    """The way in; before there is any account, the way to the first one."""

    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if not has_accounts():
            return redirect("annotation:first-account")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs) -> dict:
        more = {"sign_up": settings.SIGN_UP, "mail_is_set_up": mail_is_set_up()}
        return super().get_context_data(**kwargs) | more

    def form_valid(self, form) -> HttpResponse:
        response = super().form_valid(form)
        _remember(response, language_of(form.get_user()))
        return response


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
@english
def first_account(request: Request) -> HttpResponse:
    """Make the first account, which administers the site, while there is none."""
    if has_accounts():
        return redirect("login")
    with_code = not is_at_home(request)
    if with_code and request.method != "POST":
        logger.warning("Set-up code for the first account: %s", setup_code())
    form = FirstAccountForm(request.POST or None, with_code=with_code)
    if request.method == "POST" and form.is_valid():
        try:
            user = make_first_account(form.save)
        except AccountError as error:
            messages.error(request, str(error))
            return redirect("login")
        return _welcome(request, user)
    return render(request, "accounts/first_account.html", {"form": form, "with_code": with_code})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
@english
def sign_up(request: Request) -> HttpResponse:
    """A researcher's account for whoever asks, where the site's setting SIGN_UP allows it."""
    if not settings.SIGN_UP:
        raise Http404("Researchers are invited here.")
    if request.user.is_authenticated or not has_accounts():
        return redirect("home" if request.user.is_authenticated else "annotation:first-account")
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        make_researcher(user)
        return _welcome(request, user)
    return render(request, "accounts/sign_up.html", {"form": form})


def _welcome(request: Request, user: User) -> HttpResponse:
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    messages.success(request, f"Welcome, {user}. Your account is made.")
    return redirect("home")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: Request) -> HttpResponse:
    """One's own name, e-mail address and language; the ways to password and sign-out."""
    form = OwnAccountForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        language = form.cleaned_data["language"]
        with translation.override(language or translation.get_language()):
            messages.success(request, _("Saved"))
        response = redirect("annotation:account")
        _remember(response, language)
        return response
    request.user.refresh_from_db()  # a form that is refused has changed it
    return render(request, "accounts/account.html", {"form": form})


@require_POST
def account_sign_out(request: Request) -> HttpResponse:
    """End all visits of this account, on all devices."""
    ended = sign_out_everywhere(request.user)
    request.session.flush()
    logger.info("%s signed out everywhere: %d visits ended", request.user.pk, ended)
    return redirect("login")


@login_not_required
def language(request: HttpRequest) -> HttpResponseBase:
    """Set the language of the pages, and keep it for who is signed in."""
    response = set_cookie(request)
    chosen = request.POST.get("language", "")
    if isinstance(request.user, User) and chosen in dict(settings.LANGUAGES):
        set_language(request.user, chosen)
    return response


def _remember(response: HttpResponse, language: str) -> None:
    """Set the cookie that says the language, as Django's own view does."""
    if language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite="Lax",
        )
