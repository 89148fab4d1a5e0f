"""The page on which a researcher makes and revokes access tokens."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from generation.models import AccessToken
from generation.permissions import Request, researcher_required
from generation.tokens import LONGEST, TokenError, create_token

Scope = AccessToken.Scope
DAYS = [(1, "a day"), (7, "a week"), (30, "30 days"), (90, "90 days"), (LONGEST, "a year")]


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=80,
        label="What it is for",
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        label="What it may do",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    days = forms.TypedChoiceField(
        choices=DAYS,
        coerce=int,
        initial=30,
        label="Good for",
        widget=forms.Select(attrs={"class": "form-select"}),
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def token_list(request: Request) -> HttpResponse:
    """One's tokens; POST makes another and shows it, this once."""
    form = TokenForm(
        request.POST or None,
        initial={"scopes": [Scope.DATA_READ, Scope.STUDIES_READ, Scope.RESULTS_READ]},
    )
    made = token = None
    if request.method == "POST" and form.is_valid():
        try:
            made, token = create_token(user=request.user, **form.cleaned_data)
        except TokenError as error:
            form.add_error(None, str(error))
        else:
            form = TokenForm(initial={"days": form.cleaned_data["days"]})
    context = {
        "form": form,
        "made": made,
        "token": token,
        "tokens": AccessToken.objects.filter(user=request.user, expiry__gt=timezone.now()),
    }
    return render(request, "generation/token_list.html", context)


@require_POST
@researcher_required
def token_revoke(request: Request, key: str) -> HttpResponse:
    found = get_object_or_404(AccessToken, user=request.user, token_key=key)
    found.delete()
    messages.success(request, f"“{found.name}” is revoked: it opens nothing any more.")
    return redirect("generation:token-list")
