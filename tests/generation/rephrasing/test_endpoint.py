"""The client against a real server that answers well, wrongly, late, or not at all."""

import pytest

from generation.rephrasing.endpoint import Endpoint, EndpointError, NotKept
from tests.generation.rephrasing.language_model import LanguageModel

PROMPT = "Generate an image with 2 polyps."
GOOD = "Show an endoscopic view of two polyps."


def rephrase(model, prompt=PROMPT, *, taken=(), **settings):
    return Endpoint(model.url, "a-model", **{"pause": 0.01, **settings}).rephrase(
        prompt, taken=taken
    )


def test_a_good_answer_is_taken_at_once():
    with LanguageModel(f'<think>Two it is.</think>\n\n "{GOOD}"\n') as model:
        assert rephrase(model, api_key="secret", temperature=0.3) == GOOD
    (request,) = model.requests
    assert (request["model"], request["temperature"]) == ("a-model", 0.3)
    assert model.prompts == [PROMPT]
    assert model.headers[0]["Authorization"] == "Bearer secret"


def test_without_a_key_none_is_sent(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
    with LanguageModel(GOOD) as model:
        rephrase(model)
    assert "Authorization" not in model.headers[0]


def test_a_changed_count_is_refused_and_asked_for_again_with_the_reason():
    with LanguageModel("Show three polyps.", "", PROMPT.upper(), GOOD) as model:
        with pytest.raises(NotKept) as caught:
            rephrase(model)
        assert len(model.requests) == 3
    assert "“Show three polyps.” (numbers: 2 became 3)" in str(caught.value)
    assert "it is empty" in str(caught.value)
    assert "it is worded as before" in str(caught.value)
    assert "numbers: 2 became 3" in model.requests[1]["messages"][-1]["content"]


def test_a_right_answer_after_a_wrong_one_is_taken():
    with LanguageModel("Show three polyps.", GOOD) as model:
        assert rephrase(model) == GOOD


def test_what_is_taken_is_told_and_not_accepted_again():
    with LanguageModel(GOOD.lower(), "Depict two polyps.") as model:
        assert rephrase(model, taken=[GOOD]) == "Depict two polyps."
    assert GOOD in model.requests[0]["messages"][1]["content"]


def test_an_answer_longer_than_a_prompt_can_be_is_refused():
    with (
        LanguageModel("Show two polyps " + "in view " * 200) as model,
        pytest.raises(NotKept, match="1000 are the most"),
    ):
        rephrase(model)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (500, 'HTTP 500: “{"error": "as asked"}”. Check the server\'s log.'),
        (401, "Check the key in REPHRASING_API_KEY"),
        (400, "Check --model and --temperature"),
        (b"<html>hello</html>", "not as the OpenAI API does"),
        (b'{"choices": []}', "not as the OpenAI API does"),
        (b'{"choices": [{"message": {"content": null}}]}', "not as the OpenAI API does"),
        (b"[]", "not as the OpenAI API does"),
    ],
)
def test_a_server_that_fails_is_reported_with_what_to_check(answer, said):
    with LanguageModel(answer) as model:
        with pytest.raises(EndpointError) as caught:
            rephrase(model)
        assert len(model.requests) == 1
    assert said in str(caught.value)
    assert model.url in str(caught.value)


def test_a_busy_server_is_asked_again():
    with LanguageModel(429, 503, GOOD) as model:
        assert rephrase(model) == GOOD


def test_a_server_that_stays_busy_is_reported():
    with LanguageModel(429) as model:
        with pytest.raises(EndpointError, match=r"HTTP 429.*Too many requests"):
            rephrase(model)
        assert len(model.requests) == 3


def test_a_slow_server_is_given_up():
    with (
        LanguageModel(3.0) as model,
        pytest.raises(EndpointError, match=r"did not answer within 0\.2 s.*--timeout"),
    ):
        rephrase(model, timeout=0.2)


def test_a_server_that_is_not_there_is_reported():
    with LanguageModel(GOOD) as model:
        pass
    with pytest.raises(EndpointError, match=r"can't be reached.*Check the address"):
        rephrase(model)


def test_a_wrong_path_is_reported():
    with (
        LanguageModel(GOOD) as model,
        pytest.raises(EndpointError, match=r"HTTP 404.*want /v1 at its end"),
    ):
        Endpoint(model.url.removesuffix("/v1"), "a-model").rephrase(PROMPT)


def test_the_key_is_in_no_message():
    key = "as asked"  # what the server's error says
    endpoint = Endpoint("http://localhost", "a-model", api_key=key)
    assert key not in repr(endpoint)
    with LanguageModel(401) as model, pytest.raises(EndpointError) as caught:
        rephrase(model, api_key=key)
    assert key not in str(caught.value)


def test_all_that_can_not_be_is_said_at_once():
    with pytest.raises(ValueError) as caught:
        Endpoint("localhost:8000", "a-model", api_key="schlüssel", temperature=3, timeout=0)
    said = str(caught.value)
    assert "is no address" in said
    assert "REPHRASING_API_KEY has characters" in said
    assert "temperature of 3" in said
    assert "0 s is no time" in said
    with pytest.raises(ValueError, match="no key into the address"):
        Endpoint("http://me:secret@localhost/v1", "a-model")
