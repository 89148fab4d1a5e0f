"""Addresses of generators and images, for researchers."""

from django.urls import path

from generation import views

app_name = "generation"
urlpatterns = [
    path("generators/", views.generator_list, name="generator-list"),
    path("generators/<slug:slug>/", views.generator, name="generator"),
    path("images/<int:pk>/", views.image, name="image"),
    path("images/<int:pk>/provenance/", views.image_provenance, name="image-provenance"),
]
