"""Addresses of data and generation in the API."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from generation.api.account import Account
from generation.api.datasets import DatasetPrompts, Datasets, Images
from generation.api.generators import Generators, Trainings
from generation.api.rephrasings import Proposals, Rephrasings
from generation.api.resource import at
from generation.api.runs import RunChunks, Runs
from generation.api.uploads import UploadedDatasets, UploadedSets, Uploads

router = SimpleRouter(use_regex_path=False)
router.register("datasets", Datasets, basename="dataset")
router.register("images", Images, basename="image")
router.register("generators", Generators, basename="generator")
router.register("trainings", Trainings, basename="training")
router.register("runs", Runs, basename="run")

of_a_dataset = [
    at("prompts/", DatasetPrompts, "dataset-prompts", get="list"),
    at("rephrasings/", Rephrasings, "dataset-rephrasings", get="list", post="create"),
    at("rephrasings/<int:pk>/", Rephrasings, "rephrasing", get="retrieve"),
    at("rephrasings/<int:pk>/cancel/", Rephrasings, "rephrasing-cancel", post="cancel"),
    at("proposals/", Proposals, "dataset-proposals", get="list"),
    at("proposals/<int:pk>/approve/", Proposals, "proposal-approve", post="approve"),
    at("proposals/<int:pk>/reject/", Proposals, "proposal-reject", post="reject"),
]
urlpatterns = [
    at("me/", Account, "me", get="retrieve"),
    path("datasets/<slug:slug>/", include(of_a_dataset)),
    at("runs/<int:pk>/chunks/", RunChunks, "run-chunks", get="list"),
    at("trainings/<int:pk>/cancel/", Trainings, "training-cancel", post="cancel"),
    at("trainings/<int:pk>/retry/", Trainings, "training-retry", post="retry"),
    at("uploads/", Uploads, "uploads", get="list"),
    at("uploads/datasets/", UploadedDatasets, "uploads-datasets", post="create"),
    at("uploads/sets/", UploadedSets, "uploads-sets", post="create"),
    at("uploads/<int:pk>/", Uploads, "upload", get="retrieve"),
    at("uploads/<int:pk>/cancel/", Uploads, "upload-cancel", post="cancel"),
    *router.urls,
]
