"""Addresses of an invitation, for whoever opens it."""

from django.urls import path

from annotation.views import invitations

urlpatterns = [
    path("", invitations.invitation, name="invitation"),
    path("<str:link>/", invitations.invitation_open, name="invitation-open"),
]
