"""The manifest that seals a study: everything readers will see, by digest."""

import hashlib
import json
import platform
from importlib.metadata import version
from typing import Any

from annotation.models import Arm, CaseImage, CaseReference, Study


def build_manifest(study: Study) -> dict[str, Any]:
    """Protocol, arms with their generators' digests, cases with every image's SHA-256, versions."""
    return {
        "study": {"title": study.title, "slug": study.slug, "seed": study.seed},
        "protocol": study.protocol_data,
        "arms": [_arm(arm) for arm in study.arms.select_related("generator", "run")],
        "cases": _cases(study),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("django", "numpy", "pillow")},
        },
    }


def _arm(arm: Arm) -> dict[str, Any]:
    generator = arm.generator
    return {
        "position": arm.position,
        "generator": str(arm),
        "family": generator.family if generator else "real",
        "revision": generator.revision if generator else "",
        "digest": generator.digest if generator else "",
        "licence": generator.licence if generator else "",
        "settings": generator.settings if generator else {},
        "run_seed": arm.run.seed if arm.run else None,
    }


def _cases(study: Study) -> list[dict[str, Any]]:
    references: dict[int, list[str]] = {}
    for case, sha256 in CaseReference.objects.filter(case__study=study).values_list(
        "case", "image__sha256"
    ):
        references.setdefault(case, []).append(sha256)
    images: dict[int, list[dict[str, Any]]] = {}
    for case_set, sha256, seed in CaseImage.objects.filter(case_set__case__study=study).values_list(
        "case_set", "image__sha256", "image__seed"
    ):
        images.setdefault(case_set, []).append({"sha256": sha256, "seed": seed})
    return [
        {
            "position": case.position,
            **({"practice": True} if case.practice else {}),
            "prompt": case.prompt.text,
            "rephrasing_of": case.prompt.rephrasing_of and case.prompt.rephrasing_of.text,
            "references": references.get(case.pk, []),
            "sets": [
                {"arm": shown.arm.position, "images": images.get(shown.pk, [])}
                for shown in case.sets.all()
            ],
        }
        for case in study.cases.select_related("prompt__rephrasing_of").prefetch_related(
            "sets__arm"
        )
    ]


def manifest_digest(manifest: dict[str, Any]) -> str:
    """SHA-256 over the manifest as canonical JSON: keys sorted, no spaces, UTF-8."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def still_as_sealed(study: Study) -> bool:
    """Whether what readers would see now is what was sealed (library versions aside)."""
    if not study.manifest:
        return False
    now = {**build_manifest(study), "versions": study.manifest["versions"]}
    return manifest_digest(now) == study.manifest_digest
