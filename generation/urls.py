"""Addresses of generators and images, for researchers."""

from django.urls import path

from generation import training_views, views

app_name = "generation"
urlpatterns = [
    path("generators/", views.generator_list, name="generator-list"),
    path("generators/<slug:slug>/", views.generator, name="generator"),
    path("trainings/new/", training_views.training_new, name="training-new"),
    path("trainings/<int:pk>/", training_views.training, name="training"),
    path("trainings/<int:pk>/loss.svg", training_views.training_loss, name="training-loss"),
    path(
        "trainings/<int:pk>/validation/<str:name>",
        training_views.training_grid,
        name="training-grid",
    ),
    path("trainings/<int:pk>/<slug:act>/", training_views.training_act, name="training-act"),
    path("images/<int:pk>/", views.image, name="image"),
    path("images/<int:pk>/provenance/", views.image_provenance, name="image-provenance"),
]
