"""manage.py rephrase: rules, a file, a language model."""

import csv

import pytest
from django.core.management import CommandError, call_command

from generation.models import Dataset, Prompt
from generation.rephrasing.meaning import meaning
from generation.rephrasing.rules import rephrasings
from tests.generation.rephrasing.language_model import LanguageModel

pytestmark = pytest.mark.django_db
TEXTS = [
    "Generate an image with 2 polyps.",
    "Generate an image with no polyps.",
    "Generate an image containing the cecum.",
]
BY_PROMPT = {
    TEXTS[0]: ["Show two polyps.", "Depict two polyps."],
    TEXTS[1]: ["Show no polyps.", "Depict no polyps."],
    TEXTS[2]: ["Show the cecum.", "Depict the caecum."],
}


@pytest.fixture
def dataset():
    dataset = Dataset.objects.create(slug="prompts", name="Prompts")
    for text in TEXTS:
        Prompt.objects.create(dataset=dataset, text=text, reference_caption="kept")
    return dataset


def rephrase(dataset, *arguments):
    call_command("rephrase", dataset.slug, *map(str, arguments))


def stored(dataset):
    return list(
        dataset.prompts.exclude(rephrasing_of=None).values_list("rephrasing_of__text", "text")
    )


def a_file(tmp_path, *rows, columns=("prompt", "rephrasing")):
    file = tmp_path / "rephrasings.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([columns, *rows])
    return file


def well(request):
    """Answers the first of its wordings that the request doesn't name as taken."""
    prompt, *taken = request["messages"][1]["content"].splitlines()
    return next(t for t in BY_PROMPT[prompt.removeprefix("Prompt: ")] if t not in taken)


def test_rules_store_rephrasings_of_every_prompt_once(dataset, capsys):
    rephrase(dataset, "--rules", "--variants", 3, "--seed", 1)
    pairs = stored(dataset)
    assert pairs == [(text, other) for text in TEXTS for other in rephrasings(text, seed=1)[:3]]
    assert all(meaning(original) == meaning(other) for original, other in pairs)
    assert f"9 new rephrasings; “{dataset}” has 9 now." in capsys.readouterr().out
    rephrase(dataset, "--rules", "--variants", 3, "--seed", 2)
    assert stored(dataset) == pairs
    rephrase(dataset, "--rules", "--variants", 4, "--seed", 2)
    assert len(stored(dataset)) == 12
    assert set(dataset.prompts.filter(rephrasing_of=None).values_list("reference_caption")) == {
        ("kept",)
    }


def test_rules_say_where_they_have_fewer_than_asked(dataset, capsys):
    rephrase(dataset, "--rules", "--variants", 20)
    assert "For 2 prompts the rules have fewer than 20." in capsys.readouterr().out
    assert len(stored(dataset)) == 20 + len(rephrasings(TEXTS[1])) + len(rephrasings(TEXTS[2]))


def test_a_rule_s_text_that_is_a_prompt_already_is_passed_over(dataset):
    first, second = rephrasings(TEXTS[0])[:2]
    other = Prompt.objects.get(dataset=dataset, text=TEXTS[2])
    Prompt.objects.create(dataset=dataset, text=first, rephrasing_of=other)
    rephrase(dataset, "--rules")
    assert (TEXTS[0], second) in stored(dataset)


def test_prompts_without_a_rule_are_all_named_and_nothing_is_stored(dataset):
    for text in ("Frontal chest radiograph.", "A left hip."):
        Prompt.objects.create(dataset=dataset, text=text)
    with pytest.raises(CommandError, match=r"(?s)Nothing was stored.*Frontal chest.*A left hip"):
        rephrase(dataset, "--rules")
    assert stored(dataset) == []


@pytest.mark.parametrize("source", ["rules", "file", "endpoint"])
def test_a_dry_run_prints_the_pairs_and_stores_nothing(dataset, tmp_path, capsys, source):
    with LanguageModel(well) as model:
        arguments = {
            "rules": ["--rules"],
            "file": ["--file", a_file(tmp_path, [TEXTS[0], "Show two polyps."])],
            "endpoint": ["--endpoint", model.url, "--model", "m"],
        }
        rephrase(dataset, *arguments[source], "--dry-run")
    out = capsys.readouterr().out
    assert f"{TEXTS[0]} → " in out
    assert "nothing was stored" in out
    assert stored(dataset) == []


def test_a_file_s_rephrasings_are_stored_once_and_doubtful_ones_pointed_out(
    dataset, tmp_path, capsys
):
    file = a_file(tmp_path, [TEXTS[0], "Show two polyps."], [TEXTS[1], "Some polyps."], [TEXTS[2]])
    rephrase(dataset, "--file", file)
    rephrase(dataset, "--file", file)
    assert stored(dataset) == [(TEXTS[0], "Show two polyps."), (TEXTS[1], "Some polyps.")]
    out = capsys.readouterr().out
    assert "Look at this one: “Generate an image with no polyps.” → “Some polyps.”" in out
    assert "0 new rephrasings; " in out


def test_a_file_s_problems_are_all_named_and_nothing_is_stored(dataset, tmp_path):
    Prompt.objects.create(dataset=dataset, text="Show two polyps.")
    file = a_file(
        tmp_path,
        [TEXTS[0], "Show two polyps."],
        ["An unknown prompt.", "What else."],
        [TEXTS[1], "Show no polyps."],
    )
    with pytest.raises(CommandError) as caught:
        rephrase(dataset, "--file", file)
    assert "has no prompt “An unknown prompt.”" in str(caught.value)
    assert "“Show two polyps.” is a prompt of" in str(caught.value)
    assert stored(dataset) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [([[TEXTS[0]]], "has no rephrasings"), ([["", "x"]], "line 2: the prompt is empty")],
)
def test_a_file_that_is_of_no_use_is_refused(dataset, tmp_path, rows, said):
    with pytest.raises(CommandError, match=said):
        rephrase(dataset, "--file", a_file(tmp_path, *rows))


def test_a_language_model_is_asked_only_for_what_is_missing(dataset):
    with LanguageModel(well) as model:
        ask = ("--endpoint", model.url, "--model", "m")
        rephrase(dataset, *ask)
        rephrase(dataset, *ask)
        assert model.prompts == TEXTS
        rephrase(dataset, *ask, "--variants", 2)
        assert model.prompts == TEXTS * 2
    assert sorted(stored(dataset)) == sorted((p, t) for p in TEXTS for t in BY_PROMPT[p])


def test_wrong_answers_are_reported_and_the_rest_is_stored(dataset):
    wrong = {TEXTS[1]: "Show polyps.", TEXTS[2]: "Show two polyps."}

    def answer(request):
        prompt = request["messages"][1]["content"].splitlines()[0].removeprefix("Prompt: ")
        return wrong.get(prompt) or well(request)

    with LanguageModel(answer) as model:
        with pytest.raises(CommandError) as caught:
            rephrase(dataset, "--endpoint", model.url, "--model", "m")
        assert len(model.requests) == 1 + 3 + 3
    assert "“Show polyps.” (denials: no became none" in str(caught.value)
    assert "2 are missing; the same command asks again." in str(caught.value)
    assert stored(dataset) == [(TEXTS[0], "Show two polyps.")]


def test_a_server_that_fails_half_way_leaves_what_was_stored_and_is_gone_on_with(dataset):
    with LanguageModel(well, 500, well) as model:
        ask = ("--endpoint", model.url, "--model", "m")
        with pytest.raises(CommandError, match=r"(?s)HTTP 500.*goes on from here"):
            rephrase(dataset, *ask)
        assert stored(dataset) == [(TEXTS[0], "Show two polyps.")]
        rephrase(dataset, *ask)
        assert model.prompts == [TEXTS[0], TEXTS[1], TEXTS[1], TEXTS[2]]
    assert len(stored(dataset)) == 3


def test_the_key_comes_from_the_settings(dataset, settings):
    settings.REPHRASING_API_KEY = "secret"
    with LanguageModel(well) as model:
        rephrase(dataset, "--endpoint", model.url, "--model", "m")
    assert model.headers[0]["Authorization"] == "Bearer secret"


def test_options_of_another_source_are_refused_all_at_once(dataset):
    with pytest.raises(CommandError) as caught:
        rephrase(dataset, "--rules", "--model", "m", "--timeout", "5")
    assert "--model is not for --rules." in str(caught.value)
    assert "--timeout is not for --rules." in str(caught.value)
    with pytest.raises(CommandError, match="Name the --model"):
        rephrase(dataset, "--endpoint", "http://localhost:1/v1")
    with pytest.raises(CommandError, match="is no address"):
        rephrase(dataset, "--endpoint", "localhost", "--model", "m")
    with pytest.raises(CommandError, match="whole number above 0"):
        rephrase(dataset, "--rules", "--variants", "0")


def test_a_data_set_without_prompts_is_refused(dataset):
    dataset.prompts.all().delete()
    with pytest.raises(CommandError, match="has no prompts"):
        rephrase(dataset, "--rules")
