"""The audit on the real site, which is made to leak in one way at a time."""

import io
import json
import struct

import pytest
from django.http import JsonResponse
from django.urls import resolve
from PIL import Image as Pillow

from annotation import audits
from annotation.audits import audit_blinding
from annotation.errors import StudyError
from annotation.models import Reading, ReadingSet, ShownImage, Study
from annotation.studies import open_study
from generation.models import Generator
from generation.storage import FolderStorage
from tests.builders import a_protocol, a_study

pytestmark = pytest.mark.django_db


def _shown(request):
    """The image of a set that is asked for, if one is."""
    match = resolve(request.path_info)
    if match.url_name != "reading-image":
        return None
    return ShownImage.objects.filter(token=match.kwargs["token"], reading_set__isnull=False).first()


def _arm(request):
    shown = _shown(request)
    return shown and shown.reading_set.case_set.arm


def _sets_of(request):
    """The sets on the page that is asked for, if it is a reading's."""
    match = resolve(request.path_info)
    if match.url_name != "reading" or request.method != "GET":
        return ReadingSet.objects.none()
    return ReadingSet.objects.filter(
        reading__position=match.kwargs["position"], reading__reader__user=request.user
    ).select_related("case_set__arm__generator")


def _in_page(response, old, new):
    response.content = response.content.replace(old.encode(), new.encode())


# Each takes a request and its response, and leaks.


def name_in_a_header(request, response):
    if arm := _arm(request):
        response["X-Sampler"] = arm.generator.name


def digest_in_an_etag(request, response):
    if shown := _shown(request):
        response["ETag"] = f'"{shown.image.sha256[:16]}"'


def same_etag_for_all(request, response):
    if _shown(request):
        response["ETag"] = '"1"'


def public_cache(request, response):
    if _shown(request):
        response["Cache-Control"] = "public, max-age=3600"


def name_in_a_file_name(request, response):
    if arm := _arm(request):
        response["Content-Disposition"] = f'inline; filename="{arm.generator.slug}-1.jpg"'


def name_in_exif(request, response):
    if arm := _arm(request):
        exif = Pillow.Exif()
        exif[0x9C9C] = arm.generator.name.encode("utf-16-le")  # Windows' comment
        data = exif.tobytes()
        body = response.content
        response.content = (
            body[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + body[2:]
        )


def name_in_an_image_s_address(request, response):
    for reading_set in _sets_of(request):
        for shown in reading_set.shown_images.all():
            slug = reading_set.case_set.arm.generator.slug
            _in_page(response, f"/{shown.token}/", f"/{shown.token}/?{slug}")


def name_in_json(request, response):
    if isinstance(response, JsonResponse) and request.POST.get("letter"):
        slug = Generator.objects.first().slug
        response.content = json.dumps({**json.loads(response.content), "system": slug})


def seed_in_json(request, response):
    if isinstance(response, JsonResponse):
        seed = ShownImage.objects.exclude(image__seed=None).first().image.seed
        response.content = json.dumps({**json.loads(response.content), "seed": seed})


def name_in_a_cookie(request, response):
    if _sets_of(request):
        response.set_cookie("last", Generator.objects.first().slug)


def secret_in_a_page(request, response):
    _in_page(response, "<main", f"<!-- {Study.objects.get().secret} --><main")


def stray_bytes_before_the_end(request, response):
    if arm := _arm(request):
        response.content = response.content[:-2] + b"\0" * 50 * arm.position + b"\xff\xd9"


def stray_bytes_behind_the_end(request, response):
    if arm := _arm(request):
        response.content += b"\0" * 50 * arm.position


def other_quality(request, response):
    if arm := _arm(request):
        out = io.BytesIO()
        with Pillow.open(io.BytesIO(response.content)) as image:
            image.save(out, "JPEG", quality=80 + arm.position, subsampling="4:4:4")
        response.content = out.getvalue()


def other_resolution(request, response):
    if arm := _arm(request):
        out = io.BytesIO()
        with Pillow.open(io.BytesIO(response.content)) as image:
            image.resize((32 + arm.position,) * 2).save(out, "JPEG", quality=92)
        response.content = out.getvalue()


def arm_s_number_beside_its_set(request, response):
    for reading_set in _sets_of(request):
        old, arm = f'data-set="{reading_set.letter}"', reading_set.case_set.arm
        _in_page(response, old, f'{old} data-kind="k{arm.position}"')


def numbers_that_rise_with_the_arm(request, response):
    for reading_set in _sets_of(request):
        old, case_set = f'data-set="{reading_set.letter}"', reading_set.case_set
        number = 1000 * case_set.arm.position + reading_set.pk % 1000
        _in_page(response, old, f'{old} data-id="{number}"')


def images_fetched_beforehand_in_the_order_of_arms(request, response):
    sets = _sets_of(request).order_by("case_set__arm__position")
    tokens = [shown.token for one in sets for shown in one.shown_images.all()]
    _in_page(response, "<main", f"<i title='{' '.join(tokens)}'></i><main")


def header_as_long_as_the_arm_s_number(request, response):
    if arm := _arm(request):
        response["X-Trace"] = "x" * arm.position


FOUND_IN_ONE_CASE = {
    name_in_a_header: "“Zanzibar model",
    digest_in_an_etag: "(plain)",
    same_etag_for_all: "an image's headers have etag",
    public_cache: "no Cache-Control: private",
    name_in_a_file_name: "“zanzibar-model-",
    name_in_exif: "(UTF-16)",
    name_in_an_image_s_address: "“zanzibar-model-",
    name_in_json: "/: “zanzibar-model-",
    seed_in_json: "“1000000",
    name_in_a_cookie: "“zanzibar-model-",
    secret_in_a_page: "(plain)",
    stray_bytes_before_the_end: "not what their sealed files give",
    stray_bytes_behind_the_end: "not all encoded alike",
    other_quality: "not all encoded alike",
    other_resolution: "not all encoded alike",
    header_as_long_as_the_arm_s_number: "not all encoded alike",
}
TOLD_FROM_SIX_CASES = {
    stray_bytes_before_the_end: "bytes beyond the pixels",
    stray_bytes_behind_the_end: "the length of files' headers",
    other_resolution: "what files' headers say",
    header_as_long_as_the_arm_s_number: "the length of headers",
    arm_s_number_beside_its_set: "words in the page",
    numbers_that_rise_with_the_arm: "numbers in the page",
    images_fetched_beforehand_in_the_order_of_arms: "the order of images fetched beforehand",
}
LEAKS = {leak.__name__: leak for leak in (*FOUND_IN_ONE_CASE, *TOLD_FROM_SIX_CASES)}


def leaky(get_response):
    """Middleware, next to the views."""

    def middleware(request):
        response = get_response(request)
        LEAKS[middleware.leak](request, response)
        return response

    from django.conf import settings

    middleware.leak = settings.LEAK
    return middleware


@pytest.fixture
def small(alice):
    """One pair, one image a set, one reader: what takes no statistics to be found."""
    return a_study(
        state=Study.State.SEALED,
        pairs=1,
        readers=["bob"],
        protocol=a_protocol(images_per_set=1, references_per_case=1),
    )


@pytest.fixture
def six_cases(alice):
    return a_study(
        state=Study.State.SEALED,
        pairs=3,
        readers=["bob"],
        protocol=a_protocol(images_per_set=1, references_per_case=1),
    )


def _plant(settings, leak):
    settings.LEAK = leak.__name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.leaky"]


@pytest.mark.parametrize("leak", FOUND_IN_ONE_CASE, ids=lambda leak: leak.__name__)
def test_a_leak_is_found_in_one_reading(settings, small, leak):
    _plant(settings, leak)
    findings = audit_blinding(study=small, readings_per_reader=1).findings
    assert any(FOUND_IN_ONE_CASE[leak] in finding for finding in findings), findings


@pytest.mark.parametrize("leak", TOLD_FROM_SIX_CASES, ids=lambda leak: leak.__name__)
def test_a_leak_tells_the_arms_by_its_trace_and_by_no_other(settings, six_cases, leak):
    _plant(settings, leak)
    audit = audit_blinding(study=six_cases)
    told = {link.trace for link in audit.links if link.tells}
    assert TOLD_FROM_SIX_CASES[leak] in told
    assert f"arms can be told by {TOLD_FROM_SIX_CASES[leak]}" in " ".join(audit.findings)
    assert "the letter" not in told
    assert "the images' tokens" not in told


def test_a_letter_that_always_means_the_same_arm_is_found(six_cases):
    for reading in Reading.objects.all():
        letters = {shown.pk: shown.case_set.arm.position for shown in reading.sets.all()}
        for pk in letters:
            ReadingSet.objects.filter(pk=pk).update(letter=str(pk % 10))
        for pk, position in letters.items():
            ReadingSet.objects.filter(pk=pk).update(letter="ABC"[position - 1])
    findings = audit_blinding(study=six_cases).findings
    assert [finding.partition(":")[0] for finding in findings] == [
        "arms can be told by the letter",
        *(["arms can be told by words in the page"] if len(findings) > 1 else []),
    ]


def test_images_that_leave_as_they_are_stored_are_found(small, monkeypatch):
    monkeypatch.setattr("annotation.views.reading.presented", lambda body, **_: body)
    findings = audit_blinding(study=small).findings
    assert any("not what their sealed files give" in finding for finding in findings)


def test_images_that_are_equal_for_all_readings_are_found(small, monkeypatch):
    real = audits.presented
    monkeypatch.setattr(
        "annotation.views.reading.presented",
        lambda body, *, size, token: real(body, size=size, token=""),
    )
    findings = audit_blinding(study=small).findings
    assert any("the same bytes as" in finding for finding in findings)


class Swapping(FolderStorage):
    """Gives other images than those that were sealed."""

    def _open(self, name, mode="rb"):
        file = super()._open(name, mode)
        with Pillow.open(file) as image:
            out = io.BytesIO()
            image.convert("RGB").rotate(90).save(out, "PNG")
        out.seek(0)
        return out


def test_images_that_are_not_those_that_were_sealed_are_found(settings, small):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Swapping"}}
    findings = audit_blinding(study=small).findings
    assert any("not what their sealed files give" in finding for finding in findings), findings


PROTOCOLS = {
    "the paper's": {"images_per_set": 2},
    "with repeats": {"repeats": 0.25, "images_per_set": 1},
    "with consent, practice and a hidden real set": {
        "consent": "You agree.",
        "consent_version": "1",
        "practice": 1,
        "hidden_real": True,
        "images_per_set": 1,
    },
    "one set at a time": {
        "presentation": "single",
        "ranking": False,
        "rank_references": False,
        "images_per_set": 1,
    },
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_found_otherwise(alice, protocol):
    study = a_study(
        state=Study.State.SEALED,
        pairs=3,
        arms=2,
        protocol=a_protocol(references_per_case=1, **PROTOCOLS[protocol]),
    )
    audit = audit_blinding(study=study)
    assert audit.findings == []
    assert audit.readings == audit.planned
    assert audit.fetched["answers"] > 0
    assert len(audit.links) > 10


def test_a_leak_keeps_the_study_from_being_opened_and_stays_on_record(settings, small):
    _plant(settings, name_in_a_header)
    with pytest.raises(StudyError, match="Zanzibar model"):
        open_study(study=small, by=small.owner)
    small.refresh_from_db()
    assert small.state == Study.State.SEALED
    assert "Zanzibar model" in str(small.events.get(act="audit").detail["findings"])
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    open_study(study=small, by=small.owner)
    small.refresh_from_db()
    assert small.state == Study.State.RUNNING
    assert [event.detail["findings"] for event in small.events.filter(act="audit")][1] == []
