"""manage.py export_study, import_study"""

import hashlib
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Reader, Study
from annotation.record import faults
from tests import builders

pytestmark = pytest.mark.django_db


def test_what_was_exported_is_imported(archive):
    out = StringIO()
    call_command("import_study", archive, "--owner", "zoe", "--json", stdout=out)
    assert json.loads(out.getvalue())["state"] == "closed"
    study = Study.objects.get()
    assert (study.owner.username, study.imported_at is not None) == ("zoe", True)
    assert faults(study) == []
    reader = Reader.objects.get()
    assert not reader.user.is_active
    assert not reader.user.has_usable_password()
    call_command("verify_audit", stdout=StringIO())


def test_it_is_imported_once(archive):
    call_command("import_study", archive, "--owner", "zoe", stdout=StringIO())
    with pytest.raises(CommandError, match="There is a study “polyps” here already"):
        call_command("import_study", archive, "--owner", "zoe", stdout=StringIO())


def test_a_running_study_stays_here(tmp_path):
    study = builders.a_study()
    with pytest.raises(CommandError, match="is running: its data stay here until it is closed"):
        call_command("export_study", study.slug, "--output", tmp_path / "no.zip")
    assert list(tmp_path.glob("*.zip*")) == []


def test_nothing_is_written_over(closed_study, tmp_path):
    file = tmp_path / "polyps.zip"
    out = StringIO()
    call_command("export_study", closed_study.slug, "--output", file, "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert said["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(CommandError, match="is there already"):
        call_command("export_study", closed_study.slug, "--output", file)
