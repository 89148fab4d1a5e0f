"""An image's provenance in groups that a person can read."""

from collections.abc import Iterator, Mapping
from typing import Any

# What it answers → its keys, with their names for people; "" where the inner keys speak.
GROUPS: dict[str, dict[str, str]] = {
    "What made it": {
        "generator": "Generator",
        "family": "Family",
        "checkpoint": "Checkpoint, SHA-256",
        "base": "Base",
        "lora": "LoRA",
    },
    "Where it came from": {
        "source": "File",
        "source_sha256": "File, SHA-256",
        "changes": "Changed when it was imported",
        "importer": "Imported by",
        "imported_at": "Imported",
    },
    "How it was sampled": {
        "scheduler": "Scheduler",
        "steps": "Steps",
        "guidance_scale": "Guidance scale",
        "true_cfg_scale": "Guidance by a second pass",
        "eta": "Eta (step noise)",
        "prior_steps": "Steps of the prior",
        "prior_guidance_scale": "Guidance scale of the prior",
        "width": "Width, px",
        "height": "Height, px",
    },
    "Seeds": {
        "run_seed": "Seed of the run",
        "seed": "Seed of this image",
        "rejected": "Drawn before and rejected",
    },
    "Software and device": {
        "device": "Device",
        "dtype": "Number format",
        "options": "Made faster by",
        "libraries": "",
    },
}
ELSEWHERE = {"prompt", "index", "run"}  # what its page says in other places
FURTHER = "Further"


def grouped(provenance: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Group → (name, value) pairs, without empty groups; what no group knows comes last."""
    groups = {
        title: [
            row for key in names if key in provenance for row in _rows(names[key], provenance[key])
        ]
        for title, names in GROUPS.items()
    }
    known = ELSEWHERE.union(*GROUPS.values())
    groups[FURTHER] = [
        row
        for key, value in provenance.items()
        if key not in known
        for row in _rows(key.replace("_", " ").capitalize(), value)
    ]
    return {title: rows for title, rows in groups.items() if rows}


def _rows(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _rows(f"{name}, {key}" if name else str(key), inner)
    else:
        yield name, _said(value)


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        joint = "; " if any(isinstance(item, Mapping) for item in value) else ", "
        return joint.join(map(_said, value)) or "none"
    return "none" if value in (None, "") else str(value)
