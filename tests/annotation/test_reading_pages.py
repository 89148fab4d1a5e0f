"""What a reader's browser may ask, and what it gets."""

import io
import json
import re
import time
from dataclasses import replace

import pytest
from django.urls import reverse
from PIL import Image as Pillow

from annotation.models import Comment, Flag, Ranking, Score, Study
from annotation.protocols import Criterion, load_protocol
from annotation.readings import reading_state
from tests import builders


def url(name, study, position=1, *more):
    return reverse(f"annotation:{name}", args=[study.slug, position, *more])


@pytest.fixture
def reading(running_study):
    return builders.a_reading(running_study, "bob")


@pytest.fixture
def page(client, running_study, reading, bob):
    """The open case page of bob's first case, past the references."""
    client.force_login(bob)
    client.post(url("reading-references", running_study))
    return client.get(url("reading", running_study)).content.decode()


def reader_key(page):
    return re.search(r'data-reader="([^"]+)"', page)[1]


def save(client, study, page, **changes):
    data = {
        "letter": "A",
        "criterion": "clinical_realism",
        "value": "7",
        "sequence": str(time.time_ns() // 10**6),
        "reader": reader_key(page),
        **changes,
    }
    return client.post(url("reading-score", study), data)


def test_references_come_first_and_that_they_were_seen_is_recorded(
    client, running_study, reading, bob
):
    client.force_login(bob)
    first = client.get(url("reading", running_study)).content.decode()
    assert "Look at them, then go on" in first
    assert "score-A" not in first
    client.post(url("reading-references", running_study))
    reading.refresh_from_db()
    assert reading.references_seen_at
    assert "score-A-clinical_realism" in client.get(url("reading", running_study)).content.decode()


def test_no_scale_and_no_rank_has_a_default(page):
    assert not re.search(r"<input[^>]*radio[^>]*checked", page)


def test_a_score_is_saved_as_it_is_given_and_there_after_a_reload(
    client, running_study, reading, page
):
    assert save(client, running_study, page).json() == {"saved": True, "current": True}
    assert Score.objects.current().get().value == 7
    again = client.get(url("reading", running_study)).content.decode()
    checked = re.findall(r'name="(score-[^"]+)" value="(\d+)" checked', again)
    assert checked == [("score-A-clinical_realism", "7")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": "11"}, "0 to 10"),
        ({"value": "seven"}, "no whole number"),
        ({"letter": "Z"}, "no set Z"),
        ({"criterion": "beauty"}, "no criterion"),
        ({"sequence": str(10**15)}, "future"),
        ({"sequence": "soon"}, "no whole number"),
    ],
)
def test_a_forged_score_is_refused_with_its_reason(client, running_study, page, change, words):
    answer = save(client, running_study, page, **change)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert not Score.objects.exists()


def test_answers_left_in_a_shared_browser_do_not_go_out_under_another_name(
    client, running_study, page, carol
):
    client.force_login(carol)
    assert save(client, running_study, page).status_code == 409
    assert not Score.objects.exists()


def test_the_whole_form_works_without_javascript(client, running_study, reading, page):
    form = {
        f"score-{letter}-{criterion.key}": "5"
        for letter in "ABC"
        for criterion in running_study.protocol.criteria
    } | {"rank-A": "2", "rank-B": "1", "rank-C": "3"}
    answer = client.post(url("reading-submit", running_study), form)
    assert answer.url == url("reading", running_study, 2)
    assert Score.objects.current().count() == 18
    assert Ranking.objects.get().tiers == [["B"], ["A"], ["C"]]
    reading.refresh_from_db()
    assert reading.submitted_at


def test_a_form_shown_before_a_newer_answer_does_not_overwrite_it(
    client, running_study, reading, page
):
    save(client, running_study, page, value="2", sequence="1000")
    save(client, running_study, page, value="9", sequence="2000")
    field = "score-A-clinical_realism"
    form = {field: "2", f"was-{field}": "2", "score-B-clinical_realism": "4"}
    client.post(url("reading-submit", running_study), form)
    scores = reading_state(reading)["scores"]
    assert (scores["A"], scores["B"]) == ({"clinical_realism": 9}, {"clinical_realism": 4})
    assert Score.objects.count() == 3


def test_a_late_answer_is_told_that_it_is_not_the_current_one(client, running_study, page):
    save(client, running_study, page, value="9", sequence="2000")
    late = save(client, running_study, page, value="2", sequence="1000")
    assert late.json() == {"saved": True, "current": False}
    ranking = {"reader": reader_key(page), "tiers": "A|B|C"}
    address = url("reading-ranking", running_study)
    newest = client.post(address, {**ranking, "sequence": "2000"})
    late = client.post(address, {**ranking, "sequence": "1000"})
    assert (newest.json()["current"], late.json()["current"]) == (True, False)


def test_a_change_in_the_form_counts_even_if_the_stored_answer_is_dated_ahead(
    client, running_study, reading, page
):
    ahead = time.time_ns() // 10**6 + 60_000
    save(client, running_study, page, value="2", sequence=str(ahead))
    field = "score-A-clinical_realism"
    client.post(url("reading-submit", running_study), {field: "7", f"was-{field}": "2"})
    assert reading_state(reading)["scores"]["A"] == {"clinical_realism": 7}


def test_a_form_names_every_answer_it_can_t_take_and_keeps_the_others(
    client, running_study, reading, page
):
    form = {
        "score-A-clinical_realism": "11",
        "score-B-clinical_realism": "five",
        "score-C-clinical_realism": "5",
        "rank-A": "1",
        "rank-B": "first",
        "rank-C": "2",
    }
    answer = client.post(url("reading-submit", running_study), form)
    text = answer.content.decode()
    assert answer.status_code == 400
    for words in ("0 to 10, not 11", "“five” is no whole number", "“first” is no whole number"):
        assert words in text
    assert url("reading", running_study) in text
    assert reading_state(reading)["scores"]["C"] == {"clinical_realism": 5}


def test_no_page_of_a_reader_is_kept_by_the_browser(client, running_study, page):
    overview = reverse("annotation:reader-study", args=[running_study.slug])
    for address in (overview, url("reading", running_study), url("reading", running_study, 2)):
        assert "no-store" in client.get(address)["Cache-Control"]


def test_signing_in_on_the_way_of_a_form_leads_back_to_the_case(client, running_study, page):
    for act in ("reading-submit", "reading-references"):
        answer = client.get(url(act, running_study))
        assert answer.url == url("reading", running_study)


def test_the_order_in_which_images_are_fetched_beforehand_says_nothing_of_the_sets(
    client, running_study, page
):
    second = builders.a_reading(running_study, "bob", position=2)
    before = client.get(url("reading", running_study, 2)).content.decode()
    for text in (page, before):  # from the case before, and from behind the references
        links = re.findall(r'rel="prefetch"[^>]*/image/([\w-]+)/', text)
        shown = second.shown_images.values_list("token", flat=True)
        references = sorted(shown.filter(reading_set=None))  # what is seen first comes first
        assert links == references + sorted(shown.exclude(reading_set=None))


def test_an_incomplete_case_says_what_is_missing_and_can_be_left(client, running_study, page):
    save(client, running_study, page)
    answer = client.post(url("reading-submit", running_study), follow=True)
    text = answer.content.decode()
    assert "5 scores missing in set A" in text
    assert "Leave for later" in text


def test_an_image_comes_alike_for_every_arm_and_without_traces(client, running_study, page):
    found = re.findall(r'<img src="([^"]+)"', page)
    assert len(set(found)) == 2 + 3 * 2
    for address in set(found):
        answer = client.get(address)
        assert answer["Content-Type"] == "image/jpeg"
        assert answer["Cache-Control"].startswith("private")
        assert not {"ETag", "Last-Modified", "Content-Disposition"} & set(answer.headers)
        with Pillow.open(io.BytesIO(answer.content)) as image:
            assert (image.size, image.mode) == ((32, 32), "RGB")


def test_every_page_and_act_is_closed_to_others(client, running_study, page, mallory):
    addresses = [url("reading", running_study), *re.findall(r'<img src="([^"]+)"', page)]
    names = ["references", "score", "ranking", "comment", "flag", "activity", "submit"]
    acts = [f"reading-{name}" for name in names]
    client.force_login(mallory)
    assert {client.get(a).status_code for a in addresses} == {404}
    assert {client.post(url(act, running_study)).status_code for act in acts} == {404}
    client.logout()
    assert {client.get(a).status_code for a in addresses} == {302}


def test_another_readers_token_opens_nothing(client, running_study, page, carol):
    foreign = re.search(r'<img src="([^"]+)"', page)[1]
    client.force_login(carol)
    assert client.get(foreign).status_code == 404


def test_a_closed_study_takes_no_answers_and_says_so(client, running_study, page):
    Study.objects.update(state=Study.State.CLOSED)
    assert save(client, running_study, page).status_code == 404
    overview = client.get(reverse("annotation:reader-study", args=[running_study.slug]))
    assert "not open" in overview.content.decode()


def test_the_overview_says_what_each_case_lacks(client, running_study, page):
    save(client, running_study, page)
    overview = client.get(reverse("annotation:reader-study", args=[running_study.slug]))
    text = overview.content.decode()
    assert "5 scores missing in set A" in text
    assert "0 of 4 cases done" in text


def test_the_end_is_said(client, running_study, bob):
    for position in range(1, 5):
        builders.rate(builders.a_reading(running_study, "bob", position=position))
    client.force_login(bob)
    overview = client.get(reverse("annotation:reader-study", args=[running_study.slug]))
    assert "All 4 cases are in; nothing is missing" in overview.content.decode()


def test_phantoms_are_called_phantoms(client, bob):
    study = builders.a_study(phantom=True)
    client.force_login(bob)
    assert "Phantom images" in client.get(url("reading", study)).content.decode()


# Comments, flags, activity


def current_time():
    return time.time_ns() // 10**6


def post(client, study, page, act, **data):
    data = {"reader": reader_key(page), "sequence": str(current_time()), **data}
    return client.post(url(f"reading-{act}", study), data)


def a_token(reading):
    return reading.shown_images.exclude(reading_set=None).first().token


def test_a_comment_is_saved_shown_again_and_taken_back(client, running_study, page):
    text = "Letters in the second image.\nA “<b>” too."
    answer = post(client, running_study, page, "comment", letter="B", text=text, sequence="1000")
    assert answer.json() == {"saved": True, "current": True}
    again = client.get(url("reading", running_study)).content.decode()
    assert "A “&lt;b&gt;” too." in again
    post(client, running_study, page, "comment", letter="B", text="", sequence="2000")
    assert Comment.objects.current().get().text == ""
    refused = post(client, running_study, page, "comment", letter="Z", text="x")
    assert (refused.status_code, Comment.objects.count()) == (400, 2)


def test_a_flag_is_saved_shown_again_and_withdrawn(client, running_study, reading, page):
    token = a_token(reading)
    for sequence, reason in enumerate(("artefact", "artefact", "text"), 1000):
        post(client, running_study, page, "flag", token=token, reason=reason, sequence=sequence)
    assert Flag.objects.current().get().reason == "text"
    again = client.get(url("reading", running_study)).content.decode()
    assert f'data-token="{token}" data-flag="text"' in again
    post(client, running_study, page, "flag", token=token, reason="withdrawn")
    assert Flag.objects.current().get().reason == "withdrawn"
    for change in ({"token": "no-such-token"}, {"reason": "ugly"}):
        answer = post(
            client, running_study, page, "flag", **{"token": token, "reason": "other", **change}
        )
        assert answer.status_code == 400
    assert Flag.objects.count() == 4


def test_activity_comes_in_batches_and_counts_once(client, running_study, reading, page):
    acts = [
        {"act": "viewport", "detail": {"width": 1440, "height": 900}, "sequence": 1000},
        {"act": "active", "detail": {"seconds": 12.5}, "sequence": 1001},
    ]
    for _ in range(2):
        answer = post(client, running_study, page, "activity", acts=json.dumps(acts))
        assert answer.json() == {"saved": True}
    assert list(reading.activities.values_list("act", "detail")) == [
        ("viewport", {"width": 1440, "height": 900}),
        ("active", {"seconds": 12.5}),
    ]


@pytest.mark.parametrize(
    "acts",
    [
        "",
        "[1]",
        '{"act": "active"}',
        '[{"act": "dance", "detail": {}, "sequence": 1}]',
        '[{"act": "active", "detail": {"seconds": NaN}, "sequence": 1}]',
        '[{"act": "active", "detail": {"x": "\\u0000"}, "sequence": 1}]',
        '[{"act": "active", "detail": {}, "sequence": "soon"}]',
        "[" * 5000,
        json.dumps([{"act": "undo", "detail": {}, "sequence": n} for n in range(1, 300)]),
    ],
)
def test_what_is_no_activity_is_refused(client, running_study, reading, page, acts):
    assert post(client, running_study, page, "activity", acts=acts).status_code == 400
    assert not reading.activities.exists()


def test_nothing_of_it_goes_out_under_another_name(client, running_study, reading, page, carol):
    client.force_login(carol)
    data = {"letter": "A", "text": "x", "token": a_token(reading), "reason": "other", "acts": "[]"}
    for act in ("comment", "flag", "activity"):
        assert post(client, running_study, page, act, **data).status_code == 409
    assert not Comment.objects.exists()
    assert not Flag.objects.exists()


def test_the_form_without_javascript_takes_comments_flags_and_words(client, alice, bob):
    remarks = Criterion("remarks", "Remarks", "What gives it away?", kind="text")
    protocol = builders.a_protocol()
    protocol = builders.a_protocol(criteria=(*protocol.criteria[:1], remarks), ranking=False)
    study = builders.a_study(protocol=protocol, pairs=1, readers=["bob"])
    client.force_login(bob)
    client.post(url("reading-references", study))
    token = a_token(builders.a_reading(study))
    form = {
        f"flag-{token}": "anatomy",
        f"was-flag-{token}": "withdrawn",
        "comment-B": "one\r\ntwo",
        "was-comment-B": "",
        "text-A-remarks": "too smooth",
        "was-text-A-remarks": "",
    }
    form |= {f"score-{letter}-clinical_realism": "5" for letter in "ABC"}
    assert client.post(url("reading-submit", study), form).url == url("reading", study, 2)
    assert Flag.objects.get().reason == "anatomy"
    assert Comment.objects.get().text == "one\ntwo"
    assert Score.objects.get(criterion="remarks").text == "too smooth"
    unchanged = {**form, "was-comment-B": "one\ntwo", f"was-flag-{token}": "anatomy"}
    client.post(url("reading-submit", study), unchanged)
    assert (Flag.objects.count(), Comment.objects.count()) == (1, 1)


# Kinds of study


def test_single_images_have_no_tabs_no_ranking_and_no_references(client, alice, bob):
    protocol = replace(load_protocol("medisyn"), consent="", consent_version="", image_size=32)
    study = builders.a_study(protocol=protocol, pairs=1, readers=["bob"])
    client.force_login(bob)
    text = client.get(url("reading", study)).content.decode()
    assert "Practice: this case does not count" in text
    assert "Look at them" not in text
    for absent in ('class="tabs"', 'id="ranking"', 'class="references"', "Set A"):
        assert absent not in text
    assert re.findall(r'name="score-A-realism" value="(\d)"', text) == list("12345")
    counted = client.get(url("reading", study, 2)).content.decode()
    assert "Practice" not in counted
