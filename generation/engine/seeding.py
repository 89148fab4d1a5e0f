"""Seeds of images, derived so that a run can be repeated, resumed or split at will."""

from __future__ import annotations

import hashlib


def image_seed(*, seed: int, prompt: str, index: int, attempt: int = 0) -> int:
    """The seed, in [0, 2**63), of image ``index`` of ``prompt`` under a run's ``seed``.

    ``attempt`` counts wanted redraws of the same image (not retries after a failure, which
    must give the same image again). The generator is left out on purpose: arms share seeds.
    """
    key = f"{seed}\n{index}\n{attempt}\n{prompt}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") >> 1
