"""What a reader's browser gets: opaque tokens, images all encoded alike, and a scan for leaks.

PURE.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import numpy as np
from PIL import Image, ImageOps

JPEG_QUALITY = 92
SHORTEST_SENTINEL = 4
LONGEST_WORD = 8  # letters; a longer name is no part of a common word
_BLOCK = 8  # a JPEG block's side
_DITHERED = 0.05  # share of the blocks, but 32 of them at least


class PresentationError(ValueError):
    """The stored bytes are no image that can be shown."""


def opaque_token(secret: str, *labels: object) -> str:
    """22 URL-safe characters (132 bits) that say nothing without the secret."""
    message = "\n".join(map(str, labels)).encode()
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest)[:22].decode()


def presented(image_bytes: bytes, *, size: int, token: str) -> bytes:
    """The JPEG that a reader gets: ``size`` × ``size`` pixels, RGB, no metadata.

    Every image, real or generated, takes the same way: turned upright, made RGB (16-bit grey is
    scaled to 8, transparency laid on black), resized with its aspect kept and padded with black to
    a square, encoded at one quality without chroma subsampling and with fixed tables. One block in
    twenty (more in images below 200 pixels), chosen by the token, is one level of 255 brighter or
    darker: invisible, and equal pixels don't give equal bytes under another token. The same token
    gives the same bytes.

    Raises:
        PresentationError: the bytes can't be decoded.
    """
    try:
        with Image.open(io.BytesIO(image_bytes)) as stored:
            image = _rgb(ImageOps.exif_transpose(stored))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PresentationError(f"This image can't be shown: {error}") from error
    image = ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color=(0, 0, 0))
    out = io.BytesIO()
    _dithered(image, token).save(out, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    return out.getvalue()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        levels = np.asarray(image, dtype=np.float64)
        top = 65535 if levels.max() > 255 else 255
        return Image.fromarray((levels.clip(0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return image.convert("RGB")


def _dithered(image: Image.Image, token: str) -> Image.Image:
    """Shift whole blocks, away from the ends of the scale: a single pixel's change would be lost
    in an even region when JPEG rounds."""
    pixels = np.asarray(image).astype(np.int16)
    random = np.random.default_rng(int.from_bytes(hashlib.sha256(token.encode()).digest(), "big"))
    rows, columns = (-(-side // _BLOCK) for side in pixels.shape[:2])
    count = max(round(_DITHERED * rows * columns), min(32, (rows * columns + 1) // 2))
    for block in random.permutation(rows * columns)[:count]:
        y, x = (_BLOCK * int(i) for i in divmod(block, columns))
        part = pixels[y : y + _BLOCK, x : x + _BLOCK]
        change = random.choice([-1, 1])
        part += 1 if part.mean() < 8 else -1 if part.mean() > 247 else change
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def jpeg_header(body: bytes) -> bytes:
    """The bytes of a JPEG that are not coded pixels: those before the scan and after its end."""
    start = body.find(b"\xff\xda")
    end = body.find(b"\xff\xd9", start)  # coded pixels never hold this mark
    return body if start < 0 or end < 0 else body[:start] + body[end:]


@dataclass(frozen=True)
class Leak:
    """A sentinel found in something that a reader can get."""

    where: str
    sentinel: str
    form: str

    def __str__(self) -> str:
        return f"{self.where}: “{self.sentinel}” ({self.form})"


def find_leaks(texts: Iterable[tuple[str, bytes]], sentinels: Iterable[str]) -> list[Leak]:
    """Look for every sentinel in every ``(where, bytes)``, whatever its case or encoding.

    Finds substrings, plain, URL-, HTML- or JSON-escaped, in UTF-16 (as EXIF has it), in
    hexadecimal and in base64 at any offset. Takes time in proportion to the bytes, not to the
    number of sentinels. A short name of letters alone inside a longer word (“Reed” in “agreed”)
    is that word.

    Raises:
        ValueError: a sentinel of fewer than 4 characters, which would be found by chance.
    """
    index: dict[bytes, list[tuple[bytes, str, str]]] = defaultdict(list)
    for sentinel in set(sentinels):
        if len(sentinel) < SHORTEST_SENTINEL:
            raise ValueError(f"“{sentinel}” is too short to be told from chance.")
        for form, encoded in _forms(sentinel):
            index[encoded[:SHORTEST_SENTINEL]].append((encoded, sentinel, form))
    found: dict[tuple[str, str], Leak] = {}
    for where, text in texts:
        text = _lower(text)
        for i in range(len(text) - SHORTEST_SENTINEL + 1):
            for encoded, sentinel, form in index.get(text[i : i + SHORTEST_SENTINEL], ()):
                if text.startswith(encoded, i) and not (
                    encoded == sentinel.lower().encode()
                    and _only_a_part(sentinel, text, i, i + len(encoded))
                ):
                    found.setdefault((where, sentinel), Leak(where, sentinel, form))
    return list(found.values())


def _only_a_part(name: str, text: bytes, start: int, end: int) -> bool:
    """Whether a short name of letters alone stands inside a longer word."""
    if len(name) > LONGEST_WORD or not name.isalpha():
        return False
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return any(chr(byte).isalpha() or byte >= 0x80 for byte in around)


def _forms(sentinel: str) -> Iterator[tuple[str, bytes]]:
    for form, text in (
        ("plain", sentinel),
        ("HTML", html.escape(sentinel)),
        ("JSON", json.dumps(sentinel)[1:-1]),
        ("URL", quote(sentinel, safe="")),
        ("URL", quote_plus(sentinel)),
    ):
        yield form, _lower(text.encode())
    for order in ("utf-16-le", "utf-16-be"):
        yield "UTF-16", _lower(sentinel.encode(order))
        yield "UTF-16", _lower(sentinel.lower().encode(order))
    for raw in (sentinel.encode(), sentinel.lower().encode()):
        yield "hexadecimal", raw.hex().encode()
        for offset in range(3):
            # Only the characters that don't depend on what stands before and after.
            code = base64.b64encode(b"\0" * offset + raw)
            code = code[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6].lower()
            if len(code) >= 6:
                yield "base64", code
                yield "base64", code.translate(bytes.maketrans(b"+/", b"-_"))


def _lower(text: bytes) -> bytes:
    """Lower case beyond ASCII too; bytes that are no text stay."""
    return text.decode(errors="surrogateescape").lower().encode(errors="surrogateescape")
