"""The manifest that seals a study: everything readers will see, by digest."""

import hashlib
import json
import platform
from importlib.metadata import version
from typing import Any

from annotation.models import CaseReference, Study
from generation.models import Image


def build_manifest(study: Study) -> dict[str, Any]:
    """Protocol, arms with their generators' digests, cases with every image's SHA-256, versions."""
    return {
        "study": {"title": study.title, "slug": study.slug, "seed": study.seed},
        "protocol": study.protocol_data,
        "arms": [
            {
                "position": arm.position,
                "generator": arm.generator.name,
                "family": arm.generator.family,
                "revision": arm.generator.revision,
                "digest": arm.generator.digest,
                "licence": arm.generator.licence,
                "settings": arm.generator.settings,
                "run_seed": arm.run.seed if arm.run else None,
            }
            for arm in study.arms.select_related("generator", "run")
        ],
        "cases": _cases(study),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("django", "numpy", "pillow")},
        },
    }


def _cases(study: Study) -> list[dict[str, Any]]:
    references: dict[int, list[str]] = {}
    for case, sha256 in CaseReference.objects.filter(case__study=study).values_list(
        "case", "image__sha256"
    ):
        references.setdefault(case, []).append(sha256)
    images: dict[int | None, list[dict[str, Any]]] = {}
    for image in Image.objects.filter(image_set__case_sets__case__study=study).order_by("index"):
        row = {"sha256": image.sha256, "seed": image.seed}
        images.setdefault(image.image_set_id, []).append(row)
    return [
        {
            "position": case.position,
            "prompt": case.prompt.text,
            "rephrasing_of": case.prompt.rephrasing_of and case.prompt.rephrasing_of.text,
            "references": references.get(case.pk, []),
            "sets": [
                {"arm": shown.arm.position, "images": images.get(shown.image_set_id, [])}
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
