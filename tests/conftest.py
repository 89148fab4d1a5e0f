"""Fixtures for the whole suite."""

from pathlib import Path

import pytest
from django.db import connection

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _files_stay_in_the_test(settings, tmp_path):
    """No test writes into the real media folder, needs a broker or waits for a password hash."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MODELS_ROOT = tmp_path / "models"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        "default": {"BACKEND": "generation.storage.FolderStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory, django_db_modify_db_settings_parallel_suffix):
    """SQLite in a file, as at work: in memory, requests that come together lock each other out."""
    if connection.vendor == "sqlite":
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images and ratings beside a developer's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}: see docs/development.md")
    return SHARED_DATA


@pytest.fixture
def connections_of_their_own(transactional_db):
    """For threads."""
