"""A server of a benchmark's own: an empty database, images to show, gunicorn as README says."""

import io
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from PIL import Image


def set_up(folder: Path, database: str = "") -> None:
    """Django on an empty database (SQLite in the folder by default), which gunicorn inherits."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings",
        DJANGO_ALLOW_ASYNC_UNSAFE="true",  # playwright runs a loop of its own
        DATA_DIR=str(folder),
        MEDIA_ROOT=str(folder / "media"),
        DATABASE_URL=database or f"sqlite:///{folder / 'db.sqlite3'}",
        STORAGE_BUCKET="",
        LOG_LEVEL="ERROR",
    )
    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.WARNING)
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)


def a_picture(seed: int, *, size: int = 256) -> bytes:
    """Smooth colours with a little grain, about as many bytes in JPEG as an endoscopic frame."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 220, (8, 8, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(smooth, float) + rng.normal(0, 4, (size, size, 1))
    out = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def serve(*options: str) -> tuple[subprocess.Popen[bytes], str]:
    """gunicorn, once it answers, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    gunicorn = [sys.executable, "-m", "gunicorn", "config.wsgi"]
    command = [*gunicorn, "--threads", "8", "-b", address, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            urlopen(f"http://{address}/health/", timeout=5)
            return process, f"http://{address}"
        except (URLError, OSError):
            time.sleep(0.1)
    process.kill()
    raise TimeoutError("gunicorn doesn't answer.")
