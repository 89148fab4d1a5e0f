import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from generation.datasets.inspection import inspect
from generation.datasets.records import Record
from tests.generation.datasets.pictures import encode, picture


def look(data):
    record = Record("a", lambda: data)
    return inspect(record, data), record


@pytest.mark.parametrize(
    ("kind", "mode", "suffix"),
    [
        ("PNG", "RGB", ".png"),
        ("PNG", "L", ".png"),
        ("PNG", "1", ".png"),
        ("PNG", "P", ".png"),
        ("JPEG", "RGB", ".jpg"),
        ("JPEG", "L", ".jpg"),
        ("WEBP", "RGB", ".webp"),
        ("BMP", "RGB", ".bmp"),
    ],
)
def test_eight_bit_grey_and_colour_are_accepted(kind, mode, suffix):
    problem, record = look(encode(picture(1).convert(mode), kind))
    assert problem is None
    assert (record.width, record.height, record.suffix) == (96, 96, suffix)
    assert len(record.fingerprint) == 32


def grey16(values=65535):
    return Image.fromarray((np.arange(64 * 64).reshape(64, 64) % values).astype(np.uint16))


def png16_colour():
    """A PNG header that says 16 bits a channel, before anything is decoded."""
    data = bytearray(encode(picture(1), "PNG"))
    data[24] = 16
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (encode(grey16(), "PNG"), "a has pixels of mode I;16; accepted is 8-bit grey or RGB"),
        (png16_colour(), "a has 16 bits a channel; accepted is 8-bit grey or RGB"),
        (encode(picture(1).convert("CMYK"), "JPEG"), "a has pixels of mode CMYK"),
        (encode(picture(1).convert("F"), "TIFF"), "a is TIFF; accepted are PNG, JPEG, WEBP, BMP"),
        (encode(picture(1), "GIF"), "a is GIF; accepted are"),
        (encode(picture(1))[:-400], "a can't be decoded as an image"),
        (b"", "a can't be decoded as an image"),
        (
            encode(picture(1), "PNG", save_all=True, append_images=[picture(2)]),
            "a has 2 frames: save each",
        ),
        (
            encode(Image.merge("RGBA", (*picture(1).split(), Image.new("L", (96, 96), 7))), "PNG"),
            "a is transparent in places: flatten it",
        ),
    ],
)
def test_anything_else_is_refused_with_the_reason(data, complaint):
    assert complaint in look(data)[0]


def test_an_alpha_channel_that_is_opaque_everywhere_is_accepted():
    assert look(encode(picture(1).convert("RGBA"), "PNG"))[0] is None
