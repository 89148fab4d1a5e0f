"""What is asked for twice at the same moment, as by a double click, is done once."""

import pytest
from django.contrib.auth.models import User

from analysis.dry_runs import create_dry_run
from analysis.inspections import create_inspection
from analysis.models import DryRun, Export, Inspection, Report
from analysis.reports import create_report
from analysis.takeout.jobs import create_export
from annotation.models import BlindingAudit, Study
from annotation.openings import ask_audit, ask_opening
from generation.imports import ImportRefused
from generation.models import Dataset, Rephrasing, Training, Upload
from generation.rephrasings import RephrasingError, create_rephrasing
from generation.trainings import TrainingError
from generation.uploads import create_upload
from tests import builders
from tests.at_once import at_once
from tests.generation.a_training import a_training
from tests.generation.test_import_pages import a_zip

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("connections_of_their_own")]
State = Study.State
TIMES = 4
DRY_RUN = {"readers": {"expert": 1}, "effects": {}, "seed": 1}


def of_a_study(create, **options):
    study = Study.objects.get()
    create(study=study, by=study.owner, **options)


@pytest.mark.parametrize(
    ("kind", "state", "create", "options"),
    [
        (Inspection, State.IMAGES, create_inspection, {}),
        (DryRun, State.CHECKED, create_dry_run, DRY_RUN),
        (BlindingAudit, State.SEALED, ask_opening, {}),
        (BlindingAudit, State.RUNNING, ask_audit, {}),
        (Report, State.CLOSED, create_report, {}),
        (Export, State.CLOSED, create_export, {}),
    ],
)
def test_of_a_study(kind, state, create, options):
    builders.a_study(state=state)
    assert at_once([lambda: of_a_study(create, **options)] * TIMES) == []
    assert kind.objects.count() == 1


def rephrase():
    create_rephrasing(
        dataset=Dataset.objects.get(), source="rules", variants=1, by=User.objects.get()
    )


def train():
    a_training(Dataset.objects.get(), by=User.objects.get())


def upload():
    create_upload(kind="dataset", name="New", file=a_zip(), by=User.objects.get(), layout="folder")


@pytest.mark.parametrize(
    ("kind", "create", "refused"),
    [
        (Rephrasing, rephrase, RephrasingError),
        (Training, train, TrainingError),
        (Upload, upload, ImportRefused),
    ],
)
def test_of_a_data_set(kind, create, refused):
    builders.a_user("alice", researcher=True)
    dataset = builders.a_dataset()
    dataset.images.update(split="train")
    errors = at_once([create] * TIMES)
    assert [type(error) for error in errors] == [refused] * (TIMES - 1)
    assert kind.objects.count() == 1
