"""What a reader's browser may ask, and what it gets."""

import io
import re
import time

import pytest
from django.urls import reverse
from PIL import Image as Pillow

from annotation.models import Ranking, Score, Study
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
    acts = ["reading-references", "reading-score", "reading-ranking", "reading-submit"]
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
    assert "Done. Thank you." in overview.content.decode()


def test_phantoms_are_called_phantoms(client, bob):
    study = builders.a_study(phantom=True)
    client.force_login(bob)
    assert "Phantom images" in client.get(url("reading", study)).content.decode()
