"""Addresses of accounts: the first one, one's own, and those of researchers."""

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from annotation.views import accounts, researchers

urlpatterns = [
    path("accounts/", accounts.account, name="account"),
    path("accounts/first/", accounts.first_account, name="first-account"),
    path("accounts/sign-up/", accounts.sign_up, name="sign-up"),
    path("accounts/sign-out-everywhere/", accounts.account_sign_out, name="account-sign-out"),
    path(
        "accounts/password/",
        auth.PasswordChangeView.as_view(
            template_name="accounts/password_change.html",
            success_url=reverse_lazy("annotation:password-changed"),
        ),
        name="password-change",
    ),
    path(
        "accounts/password/changed/",
        auth.PasswordChangeDoneView.as_view(template_name="accounts/password_changed.html"),
        name="password-changed",
    ),
    path(
        "accounts/password/reset/",
        auth.PasswordResetView.as_view(
            template_name="accounts/password_reset.html",
            subject_template_name="accounts/password_reset_subject.txt",
            email_template_name="accounts/password_reset_email.txt",
            success_url=reverse_lazy("annotation:password-reset-sent"),
        ),
        name="password-reset",
    ),
    path(
        "accounts/password/reset/sent/",
        auth.PasswordResetDoneView.as_view(template_name="accounts/password_reset_sent.html"),
        name="password-reset-sent",
    ),
    path(
        "accounts/password/reset/<str:uidb64>/<str:token>/",
        auth.PasswordResetConfirmView.as_view(
            template_name="accounts/password_new.html",
            success_url=reverse_lazy("login"),
        ),
        name="password-new",
    ),
    path("researchers/", researchers.researcher_list, name="researcher-list"),
    path("researchers/add/", researchers.researcher_add, name="researcher-add"),
    path("researchers/<int:pk>/end/", researchers.researcher_end, name="researcher-end"),
    path("researchers/invitations/", researchers.researcher_invite, name="researcher-invite"),
    path(
        "researchers/invitations/<int:pk>/revoke/",
        researchers.researcher_invitation_act,
        {"act": "revoke"},
        name="researcher-uninvite",
    ),
    path(
        "researchers/invitations/<int:pk>/renew/",
        researchers.researcher_invitation_act,
        {"act": "renew"},
        name="researcher-renew",
    ),
    path("join/", researchers.researcher_invitation, name="researcher-invitation"),
    path(
        "join/<str:link>/",
        researchers.researcher_invitation_open,
        name="researcher-invitation-open",
    ),
]
