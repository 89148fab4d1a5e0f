"""Rules that the database holds, whatever code writes to it."""

import pytest
from django.db import IntegrityError, transaction

from annotation.models import (
    Arm,
    CaseImage,
    CaseReference,
    CaseSet,
    Ranking,
    ReadingSet,
    Score,
    Study,
)
from annotation.plans import plan_reader
from annotation.protocols import Protocol, ProtocolError, load_protocol, presets
from generation.models import Image
from tests.builders import a_protocol, a_reading, a_study, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.services]


def _first(model, study, path):
    return model.objects.filter(**{path: study}).first()


def _copy(row, **changes):
    row.pk = None
    for field, value in changes.items():
        setattr(row, field, value)
    row.save(force_insert=True)


TWINS = {
    "a second arm of a generator": lambda s: _copy(s.arms.first(), position=99),
    "a second arm at a position": lambda s: Arm.objects.create(
        study=s, position=1, generator=s.arms.last().generator
    ),
    "a second case of a prompt": lambda s: _copy(s.cases.first(), position=99),
    "a second case at a position": lambda s: _copy(s.cases.first(), prompt=s.cases.last().prompt),
    "a reference twice in a case": lambda s: _copy(
        _first(CaseReference, s, "case__study"), position=99
    ),
    "a second set of an arm in a case": lambda s: _copy(_first(CaseSet, s, "case__study")),
    "a person reading twice": lambda s: _copy(s.readers.first(), number=99),
    "two readers in a slot": lambda s: _copy(s.readers.first(), user=a_user("dora")),
    "two readings at a position": lambda s: _copy(a_reading(s), case=a_reading(s, position=2).case),
    "a letter for two sets": lambda s: ReadingSet.objects.create(
        reading=a_reading(s), letter="A", case_set=a_reading(s).sets.get(letter="B").case_set
    ),
    "two letters for a set": lambda s: _copy(a_reading(s).sets.first(), letter="Z"),
    "an image twice in a reading": lambda s: _copy(
        a_reading(s).shown_images.first(), position=99, token="x"
    ),
    "a token twice": lambda s: _copy(
        a_reading(s).shown_images.first(), reading=a_reading(s, position=2)
    ),
    "two references at a position": lambda s: _copy(
        a_reading(s).shown_images.filter(reading_set=None).first(),
        image=s.cases.last().sets.first().images()[0],
        token="x",
    ),
}


@pytest.mark.parametrize("what", TWINS)
def test_the_database_refuses(running_study, what):
    with pytest.raises(IntegrityError), transaction.atomic():
        TWINS[what](running_study)


def test_the_database_refuses_a_sealed_study_without_a_manifest(running_study):
    with pytest.raises(IntegrityError), transaction.atomic():
        Study.objects.filter(pk=running_study.pk).update(manifest_digest="")


@pytest.mark.parametrize("value", [-1, 11])
def test_the_database_refuses_a_score_outside_0_to_10(running_study, value):
    reading_set = a_reading(running_study).sets.first()
    with pytest.raises(IntegrityError), transaction.atomic():
        Score.objects.create(
            reading_set=reading_set, criterion="clinical_realism", value=value, sequence=1
        )


def test_the_database_refuses_two_revisions_of_one_sequence_number(running_study):
    reading = a_reading(running_study)
    row = {"reading_set": reading.sets.first(), "criterion": "x", "sequence": 1}
    Score.objects.create(value=1, **row)
    with pytest.raises(IntegrityError), transaction.atomic():
        Score.objects.create(value=2, **row)
    Ranking.objects.create(reading=reading, tiers=[["A"]], sequence=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Ranking.objects.create(reading=reading, tiers=[["B"]], sequence=1)


def test_the_current_revision_is_the_one_with_the_highest_number_of_each_cell(running_study):
    one, two = a_reading(running_study).sets.all()[:2]
    for reading_set, criterion, sequence, value in [
        (one, "a", 1, 1),
        (one, "a", 3, 3),
        (one, "a", 2, 2),
        (one, "b", 1, 4),
        (two, "a", 1, 5),
    ]:
        Score.objects.create(
            reading_set=reading_set, criterion=criterion, sequence=sequence, value=value
        )
    assert sorted(Score.objects.current().values_list("value", flat=True)) == [3, 4, 5]


def test_a_study_says_whether_it_shows_phantoms():
    assert a_study(phantom=True, state=Study.State.DRAFT, readers=[]).phantom
    assert not a_study(title="Real", state=Study.State.DRAFT, readers=[]).phantom


def test_readers_are_known_by_number(running_study):
    assert [str(reader) for reader in running_study.readers.all()] == ["R1", "R2"]


def test_studies_are_managed_by_their_owner_and_superusers(running_study, alice, bob, mallory):
    assert list(Study.objects.owned_by(alice)) == [running_study]
    assert not Study.objects.owned_by(bob).exists()
    assert Study.objects.owned_by(a_user("root", is_superuser=True)).count() == 2


def test_a_study_may_show_more_than_a_thousand_images():
    study = a_study(state=Study.State.SEALED, pairs=1, arms=1, readers=["bob"])
    sets = list(CaseSet.objects.all())
    image = {"kind": "generated", "image_set": sets[0].image_set, "width": 16, "height": 16}
    images = Image.objects.bulk_create(
        Image(sha256=f"{i:064}", file=f"{i}.png", index=i, seed=i, **image) for i in range(10, 1100)
    )
    CaseImage.objects.bulk_create(
        CaseImage(case_set=sets[0], image=image, position=i) for i, image in enumerate(images, 10)
    )
    reader = study.readers.get()
    reader.readings.all().delete()
    plan_reader(reader)
    assert sorted(shown.shown_images.count() for shown in ReadingSet.objects.all()) == [2, 1092]


# Protocols


@pytest.mark.parametrize("key", presets())
def test_a_shipped_protocol_loads_and_outlives_json(key):
    protocol = load_protocol(key)
    assert protocol.key == key
    assert Protocol.from_dict(protocol.to_dict()) == protocol


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"criteria": []}, "distinct keys"),
        ({"criteria": a_protocol().to_dict()["criteria"][:1] * 2}, "distinct keys"),
        ({"criteria": [{"key": "x"}]}, "don't fit"),
        ({"images_per_set": 25}, "1 to 24"),
        ({"references_per_case": 25}, "0 to 24"),
        ({"colour": "blue"}, "don't fit"),
    ],
)
def test_a_protocol_that_contradicts_itself_is_refused(changes, words):
    with pytest.raises(ProtocolError, match=words):
        Protocol.from_dict({**a_protocol().to_dict(), **changes})


def test_an_unknown_protocol_is_refused_with_those_that_exist():
    with pytest.raises(ProtocolError, match=r"there are: .*prompt-to-polyp"):
        load_protocol("nix")
