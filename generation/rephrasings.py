"""Other words for a data set's prompts: proposed by a job, approved or rejected by a person."""

from collections.abc import Callable, Collection
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from generation.datasets.records import MAX_CAPTION
from generation.jobs import enqueue, shown
from generation.models import Dataset, Prompt, Proposal, Rephrasing
from generation.rephrasing.rules import NoRule, rephrasings

BY_RULE = "by rule"


class RephrasingError(ValueError):
    """It can't be proposed or approved; the message says why and how to mend it."""


class RephrasingFailed(RuntimeError):
    """The endpoint gives no answers: the whole job ends."""


def endpoint_name() -> str:
    """The language model that can be asked, as people know it; "" where none is configured."""
    if not (settings.REPHRASING_ENDPOINT and settings.REPHRASING_MODEL):
        return ""
    host = urlsplit(settings.REPHRASING_ENDPOINT).hostname or settings.REPHRASING_ENDPOINT
    return f"{settings.REPHRASING_MODEL} at {host}"


@transaction.atomic
def create_rephrasing(*, dataset: Dataset, source: str, variants: int, by: User) -> Rephrasing:
    """Queue a job that proposes so many rephrasings for each prompt, less those that are there.

    Raises:
        RephrasingError: there is nothing to rephrase, a job is at it, or no endpoint is configured.
    """
    originals = dataset.prompts.filter(rephrasing_of=None).count()
    if not originals:
        raise RephrasingError(f"“{dataset}” has no prompts: add some first.")
    if source == Rephrasing.Source.ENDPOINT and not endpoint_name():
        raise RephrasingError(
            "No language model is configured: set REPHRASING_ENDPOINT and REPHRASING_MODEL, or "
            "rephrase by rule."
        )
    Dataset.objects.select_for_update().get(pk=dataset.pk)  # a double click waits here
    if Rephrasing.objects.unfinished().filter(dataset=dataset).exists():
        raise RephrasingError(f"“{dataset}” is being rephrased already: wait for it, or cancel it.")
    job = Rephrasing.objects.create(
        dataset=dataset, source=source, variants=variants, created_by=by, total=originals
    )
    enqueue(job)
    return job


def perform_rephrasing(job: Rephrasing) -> None:
    """Propose what is missing. Each proposal is stored as it comes, so that nothing is asked twice.

    Raises:
        RephrasingFailed: the endpoint gives no answers.
    """
    show = shown(job)
    propose, origin = _source(job)
    prompts = list(job.dataset.prompts.filter(rephrasing_of=None))
    known = set(job.dataset.prompts.values_list("text", flat=True))
    known.update(
        Proposal.objects.filter(prompt__dataset=job.dataset).values_list("text", flat=True)
    )
    problems: list[str] = []
    for done, prompt in enumerate(prompts, 1):
        for _ in range(_there(prompt), job.variants):
            try:
                text = propose(prompt, known)
            except ValueError as error:  # NoRule, NotKept: the next prompt may do
                problems.append(str(error))
                break
            Proposal.objects.create(prompt=prompt, text=text, origin=origin)
            known.add(text)
        show(done, len(prompts), "Rephrasing")
    job.held().update(problems=problems)


def _there(prompt: Prompt) -> int:
    return prompt.rephrasings.count() + prompt.proposals.open().count()


def _source(job: Rephrasing) -> tuple[Callable[[Prompt, Collection[str]], str], str]:
    if job.source == Rephrasing.Source.RULES:
        return _by_rule, BY_RULE
    from generation.rephrasing.endpoint import Endpoint

    endpoint = Endpoint(
        settings.REPHRASING_ENDPOINT,
        model=settings.REPHRASING_MODEL,
        api_key=settings.REPHRASING_API_KEY,
    )
    return partial(_ask, endpoint), settings.REPHRASING_MODEL[:120]


def _by_rule(prompt: Prompt, known: Collection[str]) -> str:
    fresh = next((text for text in rephrasings(prompt.text) if text not in known), None)
    if fresh is None:
        raise NoRule(f"The rules have no further words for “{prompt}”.")
    return fresh


def _ask(endpoint, prompt: Prompt, known: Collection[str]) -> str:
    from generation.rephrasing.endpoint import EndpointError, NotKept

    own = [
        *prompt.rephrasings.values_list("text", flat=True),
        *prompt.proposals.values_list("text", flat=True),
    ]
    try:
        text = endpoint.rephrase(prompt.text, taken=own)
    except EndpointError as error:
        raise RephrasingFailed(
            f"{error} What was proposed so far is kept; start again to go on."
        ) from error
    if text in known:
        raise NotKept(f"“{text}”, for “{prompt}”, is another prompt.")
    return text


@transaction.atomic
def approve(proposal: Proposal, *, text: str) -> Prompt:
    """Make the words, as a person left them, a rephrasing of the prompt.

    Raises:
        RephrasingError: they are empty, too long, or a prompt of the data set already.
    """
    text = " ".join(text.split())
    dataset = proposal.prompt.dataset
    if not text:
        raise RephrasingError(f"The rephrasing of “{proposal.prompt}” is empty: reject it instead.")
    if len(text) > MAX_CAPTION:
        raise RephrasingError(f"“{text[:60]}…” has {len(text)} characters; {MAX_CAPTION} go.")
    if dataset.prompts.filter(text=text).exists():
        raise RephrasingError(f"“{text}” is a prompt of “{dataset}” already: word it otherwise.")
    prompt = Prompt.objects.create(dataset=dataset, text=text, rephrasing_of=proposal.prompt)
    proposal.delete()
    return prompt


def reject(proposal: Proposal) -> None:
    """The words are not proposed again."""
    Proposal.objects.filter(pk=proposal.pk).update(rejected=True)
