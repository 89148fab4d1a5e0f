"""Addresses, grouped by app; the first page and sign-in stand here."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from annotation.views import accounts
from config import views

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    path("admin/", admin.site.urls),
    path("accounts/login/", accounts.SignIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("language/", accounts.language, name="set-language"),
    path("api/v1/", include(("config.api", "api"))),
    path("", include("generation.urls")),
    path("", include("annotation.urls")),
    path("", include("analysis.urls")),
]
