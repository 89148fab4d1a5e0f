"""A web node serves pages without the model libraries, which take seconds and hundreds of MB."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVE = """
import sys
from config.wsgi import application
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver

call_command("migrate", verbosity=0)
from django.contrib.auth import get_user_model
client = Client(SERVER_NAME="localhost")
for address in ("/accounts/first/", "/health/"):
    assert client.get(address).status_code == 200, address
root = get_user_model().objects.create_superuser("root")
assert client.get("/accounts/login/").status_code == 200
client.force_login(root)
for address in ("/studies/", "/generators/", "/trainings/new/", "/admin/"):
    assert client.get(address).status_code == 200, address
for address in ("/studies/x/report/", "/studies/x/data/scores.csv", "/read/x/1/", "/images/1/"):
    assert client.get(address).status_code == 404, address
heavy = {"torch", "torchvision", "diffusers", "transformers", "timm", "open_clip", "accelerate"}
print(sorted(heavy & set(sys.modules)))
"""


def test_serving_pages_imports_no_model_library(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path), "LOG_LEVEL": "ERROR",
             "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
