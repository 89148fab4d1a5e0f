"""Addresses of generators, trainings, runs and images, for researchers."""

from django.urls import path

from generation import import_views, run_views, training_views, views

app_name = "generation"
urlpatterns = [
    path("generators/", views.generator_list, name="generator-list"),
    path("generators/import/", import_views.import_sets, name="import-sets"),
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
    path("runs/", run_views.run_list, name="run-list"),
    path("runs/new/", run_views.run_new, name="run-new"),
    path("runs/<int:pk>/", run_views.run, name="run"),
    path("runs/<int:pk>/images.zip", run_views.run_download, name="run-download"),
    path("runs/<int:pk>/<slug:act>/", run_views.run_act, name="run-act"),
    path("images/<int:pk>/", views.image, name="image"),
    path("images/<int:pk>/provenance/", views.image_provenance, name="image-provenance"),
    path("images/<int:pk>/download/", views.image_download, name="image-download"),
]
