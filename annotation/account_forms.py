"""Forms of accounts: a new one, and what a person changes about their own."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from annotation.accounts import language_of, set_language, setup_code


class AccountForm(UserCreationForm):
    """A new account: the name to sign in with, an e-mail address, a password twice."""

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["email"].help_text = _("For reminders, and should you forget your password.")
        self.fields["username"].widget.attrs.pop("autofocus", None)
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"


class FirstAccountForm(AccountForm):
    """The first account; with the set-up code, unless asked for from the machine itself."""

    code = forms.CharField(
        label="Set-up code",
        strip=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "form-control code"}),
        help_text="It stands in the log of the web process since this page was opened, and "
        "manage.py setup_code prints it.",
    )

    def __init__(self, *args, with_code: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not with_code:
            del self.fields["code"]

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        if not constant_time_compare(code.replace("-", "").lower(), setup_code().replace("-", "")):
            raise forms.ValidationError("This is not the set-up code of this Blindread.")
        return code


class OwnAccountForm(forms.ModelForm):
    """Name, e-mail address and language of one's own account."""

    language = forms.ChoiceField(label=_("Language"), required=False)

    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        language: Any = self.fields["language"]
        language.choices = [("", _("As the browser asks for")), *settings.LANGUAGES]
        self.initial["language"] = language_of(self.instance)
        for field in self.fields.values():
            select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if select else "form-control"

    def save(self, commit: bool = True) -> User:
        user = super().save(commit)
        set_language(user, self.cleaned_data["language"])
        return user
