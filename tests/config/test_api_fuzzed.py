"""The API under made-up requests: schemathesis draws them from its own description, right ones and
wrong ones, and holds every answer against it.

Longer, and for everyone:

    API_EXAMPLES=100 API_ROLES=owner,co,monitor,other-owner,nobody,superuser,reader,anonymous \
        pytest -s tests/config/test_api_fuzzed.py
"""

import os
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from rest_framework.throttling import UserRateThrottle
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from annotation.models import Study
from config.wsgi import application
from generation.models import AccessToken
from tests.config.a_world import a_world, join, somebody

EXAMPLES = int(os.environ.get("API_EXAMPLES", "1"))  # of each operation, four kinds of requests
ROLES = os.environ.get("API_ROLES", "owner").split(",")
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
    checks.allow_header_conformance,
]


@pytest.fixture
def one_connection(db):
    """Requests don't end the test's own, as with Django's test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def worlds(one_connection, monkeypatch):
    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": None})
    first = a_world()
    join(first.study)
    return first, a_world("other-owner", "other-reader", state=Study.State.CLOSED)


def there(world):
    """By name, what stands in addresses and bodies for something that is there."""
    study, arm = world.study, world.study.arms.first()
    dataset = study.cases.first().prompt.dataset
    return {
        "studies": study.slug,
        "datasets": dataset.slug,
        "generators": arm.generator.slug,
        "images": arm.sets.first().images()[0].pk,
        "runs": arm.run_id,
        "trainings": world.training.pk,
        "protocols": world.protocol.pk,
        "reports": world.report.pk,
        "presets": "medisyn",
        "invitations": world.invitation.pk,
        "cases": 1,
        "sets": 1,
        "inspections": world.inspection.pk,
        "rephrasings": world.rephrasing.pk,
        "proposals": world.proposal.pk,
        "dry-runs": world.dry_run.pk,
        "ratings": world.ratings.pk,
        "members": world.member.pk,
        "signs": "same",
        "exports": world.export.pk,
        "restores": world.restore.pk,
        "uploads": world.upload.pk,
        "arms": 1,
        "readers": 1,
        "data": "scores",
        "figures": "means",
        "tables": "means",
        "body": {
            "study": study.slug,
            "prompts": dataset.slug,
            "references": f"{dataset.slug}:test",
            "generators": [arm.generator.slug],
            "generator": arm.generator.slug,
            "dataset": dataset.slug,
            "protocol": f"study:{study.slug}",
            "like": "preset:medisyn",
            "username": "nobody",
        },
    }


def parameters(path, known):
    """What stands in the address: each name is told by the word before it."""
    words = path.strip("/").split("/")
    return {
        word.strip("{}"): known[before] for before, word in pairwise(words) if word.startswith("{")
    }


def kinds_of(operation, known):
    """Right requests and wrong ones, to what is there and to anything."""
    fixed = parameters(operation.path, known)
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for path_parameters in (fixed, None)[: 1 if EXAMPLES == 1 else 2]:
            yield operation.as_strategy(mode, path_parameters=path_parameters or None)


def checks_of(case):
    """All; but in a form every value is text, so that none is of a wrong type."""
    form = case.media_type == "multipart/form-data"
    return [check for check in CHECKS if not (form and check is checks.negative_data_rejection)]


class Asker:
    """Sends requests as somebody, and counts what is answered."""

    def __init__(self, role):
        self.answers, self.wrong, self.headers = Counter(), {}, {}
        if account := somebody(role):
            made = AccessToken.objects.create(
                user=account,
                name="Test",
                scopes=AccessToken.Scope.values,
                expiry=timedelta(days=1),
            )  # for readers too, who can't make any
            self.headers = {"Authorization": f"Bearer {made[1]}"}

    def ask(self, requests, known):
        """Draw requests and hold their answers against the description; then all is undone."""

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES < 10,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=requests, really=st.booleans())
        def send(case, really):
            if really and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
                # Else most would end at the first name of something that isn't there.
                real = known["body"].items()
                case.body |= {name: value for name, value in real if name in case.body}
            before = transaction.savepoint()
            try:
                answer = case.call(headers=self.headers)
                self.answers[answer.status_code] += 1
                case.validate_response(answer, checks=checks_of(case), headers=self.headers)
            finally:
                transaction.savepoint_rollback(before)

        send()


@pytest.mark.parametrize("role", ROLES)
def test_no_request_gets_an_answer_that_is_not_described(worlds, role):
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    schema.config.generation.update(with_security_parameters=False)  # the token is ours
    asker = Asker(role)
    for world in worlds:
        known = there(world)
        for operation in (result.ok() for result in schema.get_all_operations()):
            for requests in kinds_of(operation, known):
                try:
                    asker.ask(requests, known)
                except Unsatisfiable:
                    continue  # nothing in it can be wrong
                except (Exception, BaseExceptionGroup) as error:
                    asker.wrong[f"{operation.method} {operation.path}"] = str(error)
    asked = sum(asker.answers.values())
    print(f"{role}: {asked} requests answered {dict(sorted(asker.answers.items()))}")
    assert not asker.wrong, "\n\n".join(f"{at}\n{said}" for at, said in asker.wrong.items())
    assert asker.answers[500] == 0
    assert asked > 200
