import csv

import pytest


@pytest.fixture(scope="session")
def published(shared_data):
    """All 483 prompts of MEDVQA-GI 2024, typos kept."""
    file = shared_data / "prompts-medvqa-gi-2024" / "prompts.csv"
    with file.open(encoding="utf-8") as lines:
        prompts = [row["prompt"] for row in csv.DictReader(lines)]
    assert len(prompts) == 483
    return prompts
