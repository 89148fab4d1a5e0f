"""Image files in a folder and in a bucket, whose server is a real one over HTTP (moto)."""

import hashlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.urls import reverse
from moto.server import ThreadedMotoServer

from annotation.errors import StudyError
from annotation.studies import seal_study
from generation.bucket import BucketError
from generation.imports import ImportRefused, import_dataset
from generation.models import Dataset, Image
from generation.storage import local_file, store_image
from generation.trainings import training_images
from tests.builders import a_dataset, a_reading, a_study, a_user, an_image, png
from tests.generation.test_imports import records  # noqa: F401

CONTENT = os.urandom(3_000_000)
NAME = f"images/{hashlib.sha256(CONTENT).hexdigest()[:2]}/{hashlib.sha256(CONTENT).hexdigest()}.png"


def files_in(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


# A folder


def test_an_image_is_stored_once_under_its_digest():
    assert store_image(CONTENT, suffix=".png") == (NAME, hashlib.sha256(CONTENT).hexdigest())
    [file] = files_in(settings.MEDIA_ROOT)
    written = file.stat()
    assert store_image(CONTENT, suffix=".png")[0] == NAME
    [file] = files_in(settings.MEDIA_ROOT)
    assert file == settings.MEDIA_ROOT / NAME
    assert file.read_bytes() == CONTENT
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert local_file(NAME) == file


def _store_at_once(start, folder):
    settings.MEDIA_ROOT = folder
    start.wait()
    assert store_image(CONTENT, suffix=".png")[0] == NAME


def test_processes_that_store_the_same_bytes_at_once_leave_one_whole_file():
    place = settings.MEDIA_ROOT / NAME
    fork = multiprocessing.get_context("fork")
    for _ in range(5):
        start = fork.Barrier(6)
        writers = [
            fork.Process(target=_store_at_once, args=[start, settings.MEDIA_ROOT]) for _ in range(5)
        ]
        for writer in writers:
            writer.start()
        start.wait()
        while any(writer.is_alive() for writer in writers):
            assert not place.exists() or place.stat().st_size == len(CONTENT)
        assert [writer.exitcode for writer in writers] == [0] * 5
        assert files_in(settings.MEDIA_ROOT) == [place]
        assert place.read_bytes() == CONTENT
        place.unlink()


KILLED_WHILE_IT_WRITES = """
class Deadly(ContentFile):
    def chunks(self):
        yield b"half"
        os.kill(os.getpid(), signal.SIGKILL)
default_storage.save(NAME, Deadly(b"half an image"))
"""
KILLED_BEFORE_IT_RENAMES = """
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
default_storage.save(NAME, ContentFile(b"a whole image"))
"""


@pytest.mark.parametrize("deed", [KILLED_WHILE_IT_WRITES, KILLED_BEFORE_IT_RENAMES])
def test_a_process_that_is_killed_leaves_no_name_and_its_draft_goes_a_day_later(tmp_path, deed):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "MEDIA_ROOT": str(settings.MEDIA_ROOT)}
    start = (
        "import os, signal, django; django.setup()\n"
        "from django.core.files.base import ContentFile\n"
        "from django.core.files.storage import default_storage\n"
        f"NAME = {NAME!r}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + deed],
        env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings", "STORAGE_BUCKET": ""},
        cwd=settings.BASE_DIR,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not default_storage.exists(NAME)
    [draft] = files_in(settings.MEDIA_ROOT)
    store_image(png(1), suffix=".png")
    assert draft.exists(), "another process might still be at it"
    os.utime(draft, (yesterday := time.time() - 25 * 3600, yesterday))
    store_image(CONTENT, suffix=".png")
    assert not draft.exists()
    assert len(files_in(settings.MEDIA_ROOT)) == 2


@contextmanager
def a_disk(folder, size):
    """A file system of this size, given with its unit."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_is_left_on_it(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "small"
    with a_disk(settings.MEDIA_ROOT, "1m"):
        with pytest.raises(OSError, match="No space left"):
            store_image(CONTENT, suffix=".png")
        assert files_in(settings.MEDIA_ROOT) == []
        name, _ = store_image(CONTENT[:500_000], suffix=".png")
        assert files_in(settings.MEDIA_ROOT) == [settings.MEDIA_ROOT / name]


# A bucket


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def configured(settings, server, bucket="images-of-studies", **options):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "generation.bucket.BucketStorage",
            "OPTIONS": {
                "bucket_name": bucket,
                "endpoint_url": server,
                "access_key": "key",
                "secret_key": "secret",
                "location": "blindread",
                **options,
            },
        },
    }


@pytest.fixture
def bucket(server, settings):
    """The default storage is this new bucket, which keeps every version of an object."""
    client = boto3.resource(
        "s3",
        endpoint_url=server,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    bucket = client.create_bucket(Bucket="images-of-studies")
    bucket.Versioning().enable()
    configured(settings, server)
    yield bucket
    bucket.object_versions.delete()
    bucket.delete()


def test_a_bucket_takes_an_image_once_and_gives_its_bytes_back(bucket):
    name, digest = store_image(CONTENT, suffix=".png")
    assert (name, digest) == (NAME, hashlib.sha256(CONTENT).hexdigest())
    assert store_image(CONTENT, suffix=".png") == (name, digest)
    [uploaded] = bucket.object_versions.all()
    assert uploaded.key == f"blindread/{NAME}"
    with default_storage.open(name) as file:
        assert file.read() == CONTENT
    assert not settings.MEDIA_ROOT.exists()


def test_a_bucket_s_image_is_nobody_s_without_the_keys(bucket, server):
    store_image(CONTENT, suffix=".png")
    [grant] = bucket.Object(f"blindread/{NAME}").Acl().grants
    assert grant["Grantee"]["Type"] == "CanonicalUser", "its owner, not everybody"
    assert "Signature=" in default_storage.url(NAME)


@pytest.mark.django_db
def test_pages_show_an_image_that_lies_in_a_bucket(bucket, client):
    content = png(10**6)
    image = an_image(dataset=a_dataset(), content=content)
    client.force_login(a_user("alice", researcher=True))
    response = client.get(reverse("generation:image", args=[image.pk]))
    assert b"".join(response.streaming_content) == content
    assert response["Content-Type"] == "image/png"
    assert response["Content-Length"] == str(len(content))


@pytest.mark.django_db
def test_a_study_is_sealed_and_read_from_a_bucket_and_a_lost_image_is_named(bucket, client):
    study = a_study(size=32)
    reading = a_reading(study)
    client.force_login(reading.reader.user)
    for shown in reading.shown_images.all():
        address = reverse("annotation:reading-image", args=[study.slug, 1, shown.token])
        assert client.get(address)["Content-Type"] == "image/jpeg"
    draft = a_study(state="checked", size=32)
    lost = Image.objects.filter(image_set__case_sets__case__study=draft).first()
    lost.file.storage.delete(lost.file.name)
    with pytest.raises(StudyError, match=f"missing or have changed: .*{re.escape(str(lost))}"):
        seal_study(study=draft, by=draft.owner)


@pytest.mark.django_db
def test_trainings_read_a_bucket_s_images_from_copies_on_this_machine(bucket, records):  # noqa: F811
    dataset = import_dataset(slug="polyps", name="Polyps", records=records)
    [image] = training_images(dataset, "train")
    assert image.path.read_bytes() == records[0].read()
    copied = image.path.stat().st_mtime_ns
    [image] = training_images(dataset, "train")
    assert image.path.stat().st_mtime_ns == copied, "fetched once"
    assert files_in(settings.MEDIA_ROOT) == [image.path]


@pytest.mark.django_db
def test_an_import_that_fails_midway_leaves_nothing_in_the_bucket(bucket, records, tmp_path):  # noqa: F811
    (tmp_path / records[2].name).write_bytes(png(99))
    with pytest.raises(ImportRefused, match="has changed while it was imported"):
        import_dataset(slug="polyps", name="Polyps", records=records)
    assert list(bucket.objects.all()) == []
    assert not Dataset.objects.exists()
    assert not Image.objects.exists()


def test_a_file_that_a_bucket_has_not_is_a_file_not_found(bucket):
    with pytest.raises(FileNotFoundError, match=r"has no file images/ab/lost\.png"):
        default_storage.open("images/ab/lost.png")
    with pytest.raises(FileNotFoundError):
        local_file("images/ab/lost.png")
    assert files_in(settings.MEDIA_ROOT) == []


def test_a_bucket_that_is_not_there_is_said(server, settings):
    configured(settings, server, bucket="another")
    with pytest.raises(BucketError, match=r"“another” at http.* does not exist: create it, or"):
        store_image(CONTENT, suffix=".png")
    with pytest.raises(BucketError, match="does not exist"):
        default_storage.open(NAME)


def test_keys_that_are_refused_are_said_whatever_was_asked(bucket, monkeypatch):
    with monkeypatch.context() as strict:
        strict.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0.0)  # now it looks at keys
        for asked in (default_storage.open, default_storage.exists, default_storage.delete):
            with pytest.raises(BucketError, match=r"refuses these keys .*STORAGE_ACCESS_KEY"):
                asked(NAME)


def test_a_server_that_does_not_answer_is_said(settings):
    configured(settings, "http://127.0.0.1:9")
    with pytest.raises(BucketError, match=r"can't be reached .* Is STORAGE_ENDPOINT right"):
        store_image(CONTENT, suffix=".png")


# What `manage.py check` says


def check(tmp_path, *arguments, before="pass", **said):
    """What `manage.py check` says in an environment that has these settings alone."""
    command = f"{before}; from django.core.management import execute_from_command_line as run; "
    return subprocess.run(
        [sys.executable, "-c", command + f"run(['manage.py', 'check', *{arguments!r}])"],
        cwd=settings.BASE_DIR,
        env={
            "PATH": "/usr/bin:/bin",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(tmp_path),
            **{f"STORAGE_{name}": value for name, value in said.items()},
        },
        capture_output=True,
        text=True,
        check=False,
    )


KEYS = {"ACCESS_KEY": "key", "SECRET_KEY": "secret"}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"ENDPOINT": "http://127.0.0.1:9", **KEYS}, "without STORAGE_BUCKET"),
        ({"BUCKET": "b", "ACCESS_KEY": "key"}, "Only one of STORAGE_ACCESS_KEY"),
        ({"BUCKET": "b", "ENDPOINT": "minio:9000", **KEYS}, "“minio:9000”, which is no address"),
    ],
)
def test_settings_that_do_not_make_sense_together_are_refused(tmp_path, said, problem):
    done = check(tmp_path, **said)
    assert done.returncode == 1
    assert problem in done.stderr


def test_a_bucket_without_its_client_installed_is_refused_and_says_what_to_install(tmp_path):
    absent = "import sys; sys.modules['boto3'] = None"
    assert check(tmp_path, before=absent).returncode == 0, "a folder needs none"
    done = check(tmp_path, before=absent, BUCKET="b")
    assert done.returncode == 1
    assert "what reads a bucket is not installed" in done.stderr
    assert "requirements/s3.txt" in done.stderr


def test_the_check_of_a_deployment_asks_the_bucket(tmp_path, bucket, server):
    there = {"BUCKET": bucket.name, "ENDPOINT": server, **KEYS}
    assert "E005" not in check(tmp_path, "--deploy", **there).stderr
    done = check(tmp_path, "--deploy", **{**there, "BUCKET": "another"})
    assert done.returncode == 1
    assert f"The bucket “another” at {server} does not exist" in done.stderr
