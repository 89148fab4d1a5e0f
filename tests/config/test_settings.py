"""Every setting is an environment variable that `.env.example` documents."""

import logging
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]


def _read_by_settings() -> set[str]:
    source = (ROOT / "config" / "settings.py").read_text()
    return set(re.findall(r'env(?:\.\w+)?\(\s*"([A-Z_]+)"', source))


def _documented() -> dict[str, str]:
    """Name → the comment above it."""
    found, comment = {}, ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("#"):
            comment += line
        elif match := re.match(r"([A-Z_]+)=", line):
            found[match[1]] = comment
        else:
            comment = ""
    return found


def test_every_setting_is_documented_and_every_documented_setting_is_read():
    assert set(_documented()) == _read_by_settings()


def test_every_documented_setting_says_what_it_does():
    assert all(len(comment) > 20 for comment in _documented().values())


def test_no_other_module_reads_the_environment():
    # config's entry points name the settings module, the one variable that must come first.
    readers = [
        str(file.relative_to(ROOT))
        for app in ("generation", "annotation", "analysis")
        for file in (ROOT / app).rglob("*.py")
        if re.search(r"os\.(environ\[|getenv|environ\.get)", file.read_text())
    ]
    assert readers == []


def test_check_deploy_is_clean_with_production_settings(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={
            "PATH": "/usr/bin:/bin",
            "DATA_DIR": str(tmp_path),
            "HTTPS": "True",
            "ALLOWED_HOSTS": "blindread.example.org",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_models_and_migrations_agree(db):
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_version_is_that_of_the_package():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package["version"] == settings.VERSION


def test_commands_that_make_a_pdf_show_their_progress_and_no_log_of_its_pages():
    assert not logging.getLogger("weasyprint.progress").isEnabledFor(logging.INFO)
