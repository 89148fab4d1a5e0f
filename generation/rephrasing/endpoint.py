"""Rephrasings from a language model behind an OpenAI-compatible address, each one checked.

httpx2 rather than huggingface_hub's InferenceClient: that adds /v1 to a base that ends otherwise
(…/v1beta/openai), and without a key of ours it sends the user's Hugging Face token.
"""

import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from generation.datasets.records import MAX_CAPTION
from generation.rephrasing.checking import difference

TRIES = 3
_BUSY = frozenset({429, 502, 503, 504})
_INSTRUCTION = (
    "You reword prompts for a generator of medical images. Answer with one sentence that asks for "
    "exactly the same image in other words, and with nothing else. Keep every finding, number, "
    "place, size, colour, type, instrument and procedure, and everything that is not to be seen. "
    "Add nothing: no procedure, diagnosis, number or place that the prompt does not name."
)


class EndpointError(RuntimeError):
    """The endpoint gives no answers; the message says what to check."""


class NotKept(ValueError):
    """No answer kept the prompt's meaning; the message has each answer and what it changed."""


@dataclass(frozen=True)
class Endpoint:
    """A language model behind ``POST {url}/chat/completions``.

    Attributes:
        url: base address, with /v1 where the server has it: http://localhost:8000/v1
        timeout: s in which the server must begin to answer, and go on answering.
        temperature: 0 to 2; 0 gives the same answer again.
        pause: s before a busy server (429, 502, 503, 504) is asked again, doubled each time.

    Raises:
        ValueError: with all that can't be: address, key, temperature, timeout.
    """

    url: str
    model: str
    api_key: str = field(default="", repr=False)
    temperature: float = 0.8
    timeout: float = 60.0
    pause: float = 2.0

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ValueError("\n".join(problems))

    def _problems(self) -> Iterator[str]:
        parts = None
        with suppress(httpx2.InvalidURL):
            parts = httpx2.URL(self.url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.host:
            yield f"“{self.url}” is no address: give one like http://localhost:8000/v1."
        elif parts.userinfo or parts.query:
            yield "Put no key into the address: set REPHRASING_API_KEY."
        if not (self.api_key.isascii() and self.api_key.isprintable()):
            yield "REPHRASING_API_KEY has characters that no key has: check what was copied."
        if not 0 <= self.temperature <= 2:
            yield f"A temperature of {self.temperature:g} can't be: give one from 0 to 2."
        if not 0 < self.timeout < float("inf"):
            yield f"{self.timeout:g} s is no time to wait: give a number of seconds above 0."

    def rephrase(self, prompt: str, *, taken: Collection[str] = ()) -> str:
        """One rephrasing that keeps the prompt's meaning and is none of those taken.

        Raises:
            NotKept: after three answers that changed something, or were taken.
            EndpointError: the endpoint can't be reached, refuses, or sends something else.
        """
        request = f"Prompt: {prompt}"
        if taken:
            request += "\nIt has been worded so already; find another wording:\n" + "\n".join(taken)
        messages = [
            {"role": "system", "content": _INSTRUCTION},
            {"role": "user", "content": request},
        ]
        refused = []
        for _ in range(TRIES):
            answer = _sentence(self._complete(messages))
            wrong = _wrong(prompt, answer, taken)
            if not wrong:
                return answer
            refused.append(f"“{answer[:200]}” ({wrong})")
            messages += [
                {"role": "assistant", "content": answer},
                {"role": "user", "content": f"This is not right: {wrong}. Try again."},
            ]
        raise NotKept(f"No rephrasing of “{prompt}” was right: {'; '.join(refused)}")

    def _complete(self, messages: list[dict[str, str]]) -> str:
        for attempt in range(TRIES):
            response = self._post(messages)
            if response.status_code not in _BUSY:
                break
            if attempt + 1 < TRIES:
                time.sleep(self.pause * 2**attempt)
        if response.status_code != 200:
            raise EndpointError(self._refusal(response))
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError):
            content = None
        if not isinstance(content, str):
            raise EndpointError(
                f"{self.url} answers, but not as the OpenAI API does (choices, message, content): "
                f"“{response.text[:200]}”. Check the address; most servers want /v1 at its end."
            )
        return content

    def _post(self, messages: list[dict[str, str]]) -> httpx2.Response:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "temperature": self.temperature,
        }
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            return httpx2.post(
                f"{self.url.rstrip('/')}/chat/completions",
                json=body,
                headers=headers,
                timeout=self.timeout,
            )
        except httpx2.TimeoutException as error:
            raise EndpointError(
                f"{self.url} did not answer within {self.timeout:g} s. Check that the model is "
                "loaded, or allow more with --timeout."
            ) from error
        except httpx2.HTTPError as error:
            raise EndpointError(
                f"{self.url} can't be reached ({error}). Check the address and the server."
            ) from error

    def _refusal(self, response: httpx2.Response) -> str:
        code = response.status_code
        check = {
            400: "Check --model and --temperature.",
            401: "Check the key in REPHRASING_API_KEY.",
            403: "Check the key in REPHRASING_API_KEY and what it may use.",
            404: "Check the address (most servers want /v1 at its end) and --model.",
            429: "Too many requests: wait, or check the account's limits.",
        }.get(code, "Check the server's log." if code >= 500 else "Check the address.")
        said = response.text.replace(self.api_key, "…") if self.api_key else response.text
        return f"{self.url} answers with HTTP {code}: “{said[:200].strip()}”. {check}"


def _sentence(content: str) -> str:
    """The answer without a model's thoughts, quotation marks and line breaks."""
    content = re.sub(r"<think>.*?</think>", "", content, flags=re.DOTALL)
    return " ".join(content.split()).strip("\"'“”‘’` ")


def _wrong(prompt: str, answer: str, taken: Collection[str]) -> str:
    if not answer:
        return "it is empty"
    if len(answer) > MAX_CAPTION:
        return f"it has {len(answer)} characters; {MAX_CAPTION} are the most"
    if answer.casefold() in {text.casefold() for text in (prompt, *taken)}:
        return "it is worded as before"
    return difference(prompt, answer)
