"""Addresses, grouped by app; the first page and sign-in stand here."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.i18n import set_language

from config import views

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    path("admin/", admin.site.urls),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("language/", login_not_required(set_language), name="set-language"),
    path("", include("generation.urls")),
    path("", include("annotation.urls")),
    path("", include("analysis.urls")),
]
