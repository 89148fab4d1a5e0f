"""Addresses of generators, trainings, runs and images, for researchers."""

from django.urls import path

from generation import (
    dataset_views,
    prompt_views,
    run_views,
    token_views,
    training_views,
    upload_views,
    views,
)

app_name = "generation"
urlpatterns = [
    path("datasets/", dataset_views.dataset_list, name="dataset-list"),
    # Not below datasets/: any word may be a data set's short name.
    path("import/images/", upload_views.import_dataset, name="import-dataset"),
    path("import/prompts/", prompt_views.import_prompts, name="import-prompts"),
    path("datasets/<slug:slug>/", dataset_views.dataset, name="dataset"),
    path("datasets/<slug:slug>/delete/", dataset_views.dataset_delete, name="dataset-delete"),
    path("datasets/<slug:slug>/prompts/", prompt_views.dataset_prompts, name="dataset-prompts"),
    path("datasets/<slug:slug>/prompts.csv", prompt_views.dataset_prompts_csv, name="prompts-csv"),
    path("datasets/<slug:slug>/rephrase/", prompt_views.dataset_rephrase, name="dataset-rephrase"),
    path("datasets/<slug:slug>/decide/", prompt_views.dataset_decide, name="dataset-decide"),
    path("uploads/<int:pk>/", upload_views.upload, name="upload"),
    path("uploads/<int:pk>/<slug:act>/", upload_views.upload_act, name="upload-act"),
    path("generators/", views.generator_list, name="generator-list"),
    path("generators/import/", upload_views.import_sets, name="import-sets"),
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
    path("access-tokens/", token_views.token_list, name="token-list"),
    path("access-tokens/<slug:key>/revoke/", token_views.token_revoke, name="token-revoke"),
    path("images/<int:pk>/", views.image, name="image"),
    path("images/<int:pk>/thumbnail/", views.image_thumbnail, name="image-thumbnail"),
    path("images/<int:pk>/provenance/", views.image_provenance, name="image-provenance"),
    path("images/<int:pk>/download/", views.image_download, name="image-download"),
]
