import base64
import html
import io
import json
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from annotation.blinding import (
    PresentationError,
    find_leaks,
    jpeg_header,
    opaque_token,
    presented,
)


def _encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _noise(width=40, height=40):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _smooth(width, height):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.uint8(np.stack([x * 255 // width, y * 255 // height, x * 0], -1)))


def _shown(body, token="t", size=64):
    return Image.open(io.BytesIO(presented(body, size=size, token=token)))


def test_the_same_token_gives_the_same_bytes():
    body = _encoded(_noise())
    assert presented(body, size=64, token="t") == presented(body, size=64, token="t")


@settings(max_examples=25, deadline=None)
@example(0, "a", "b")
@example(255, "a", "b")
@given(st.integers(0, 255), st.text(min_size=1, max_size=22), st.text(min_size=1, max_size=22))
def test_equal_pixels_give_different_bytes_under_different_tokens(grey, one, other):
    """Even for an image of one colour, where a lesser change would be rounded away."""
    body = _encoded(Image.new("RGB", (64, 64), (grey, grey, grey)))
    same = presented(body, size=64, token=one) == presented(body, size=64, token=other)
    assert same == (one == other)


@pytest.mark.parametrize("grey", [0, 255])
def test_even_thumbnails_of_one_colour_differ_under_many_tokens(grey):
    body = _encoded(Image.new("RGB", (48, 48), (grey, grey, grey)))
    assert len({presented(body, size=48, token=str(i)) for i in range(200)}) == 200


@pytest.mark.parametrize(("size", "mean"), [(64, 0.6), (512, 0.15)])
def test_the_change_that_a_token_makes_can_not_be_seen(size, mean):
    body = _encoded(_smooth(size, size))
    one, other = (np.asarray(_shown(body, token, size), dtype=int) for token in "ab")
    assert 0 < np.abs(one - other).max() <= 8
    assert np.abs(one - other).mean() < mean


@pytest.mark.parametrize(
    "image",
    [
        _noise(),
        _noise(90, 30),
        _noise().convert("L"),
        _noise().convert("P"),
        _noise().convert("1"),
        _noise().convert("RGBA"),
        _noise().convert("LA"),
        Image.fromarray((np.arange(1600, dtype=np.uint16) * 40).reshape(40, 40)),
    ],
    ids=["RGB", "wide", "grey", "palette", "1 bit", "alpha", "grey alpha", "16 bit"],
)
def test_every_image_is_presented_alike(image):
    first = presented(_encoded(_noise()), size=64, token="t")
    body = presented(_encoded(image), size=64, token="u")
    shown = Image.open(io.BytesIO(body))
    assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (64, 64))
    assert jpeg_header(body) == jpeg_header(first)


def test_a_jpeg_and_a_png_of_one_size_leave_in_the_same_format():
    for body in (_encoded(_noise(), "JPEG", quality=40), _encoded(_noise(), "JPEG", progressive=1)):
        assert jpeg_header(presented(body, size=64, token="t")) == jpeg_header(
            presented(_encoded(_noise()), size=64, token="t")
        )


def test_metadata_don_t_pass():
    exif = Image.Exif()
    exif[0x0131] = "Zanzibar sampler"
    body = _encoded(_noise(), "JPEG", exif=exif, comment=b"Zanzibar comment", icc_profile=b"Zanzib")
    shown = presented(body, size=64, token="t")
    assert b"anzib" in body
    assert b"anzib" not in shown
    assert not Image.open(io.BytesIO(shown)).getexif()


def test_an_image_that_lies_on_its_side_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90° clockwise to see it upright
    left_red = Image.new("RGB", (64, 64), "blue")
    left_red.paste((255, 0, 0), (0, 0, 32, 64))
    shown = np.asarray(_shown(_encoded(left_red, "JPEG", exif=exif, quality=95)))
    assert shown[5, 32, 0] > 200  # red is on top now
    assert shown[58, 32, 2] > 200


def test_a_wide_image_keeps_its_aspect_between_black_bars():
    shown = np.asarray(_shown(_encoded(Image.new("RGB", (80, 40), "white"))))
    assert shown[:12].max() < 16
    assert shown[52:].max() < 16
    assert shown[20:44].min() > 240


def test_16_bit_grey_keeps_its_scale():
    levels = np.linspace(0, 65535, 64).astype(np.uint16)
    shown = np.asarray(_shown(_encoded(Image.fromarray(np.tile(levels, (64, 1))))))
    assert shown[32, 0].max() < 12
    assert shown[32, 63].min() > 243
    assert abs(int(shown[32, 32, 0]) - 128) < 8


def test_transparency_lies_on_black():
    shown = np.asarray(_shown(_encoded(Image.new("RGBA", (40, 40), (255, 255, 255, 0)))))
    assert shown.max() < 8


@pytest.mark.parametrize("body", [b"", b"not an image", _encoded(_noise())[:200]])
def test_bytes_that_are_no_whole_image_are_refused(body):
    with pytest.raises(PresentationError, match="can't be shown"):
        presented(body, size=64, token="t")


def test_tokens_are_22_url_safe_characters_and_say_nothing_alike():
    tokens = {opaque_token(secret, "image", i) for secret in "ab" for i in range(50)}
    assert len(tokens) == 100
    assert all(len(token) == 22 and quote(token, safe="") == token for token in tokens)
    assert opaque_token("a", 1) == opaque_token("a", 1)


NAME = "Żebra & model/7"
FORMS = {
    "plain": NAME,
    "upper": NAME.upper(),
    "html": html.escape(NAME),
    "url": quote(NAME, safe=""),
    "query": NAME.replace(" ", "+").replace("&", "%26").replace("/", "%2F").replace("Ż", "%C5%BB"),
    "json": json.dumps(NAME),
    "hex": NAME.encode().hex(),
    "base64": base64.b64encode(NAME.encode()).decode(),
    "base64 at 1": base64.b64encode(b"x" + NAME.encode() + b"yz").decode(),
    "EXIF's UTF-16": NAME.encode("utf-16-le"),
    "UTF-16, shouted": NAME.upper().encode("utf-16-be"),
    "base64 at 2": base64.urlsafe_b64encode(b"xy" + NAME.encode() + b"z").decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_name_is_found_in_every_form(form):
    name = FORMS[form] if isinstance(FORMS[form], bytes) else FORMS[form].encode()
    body = b"<p>before " + name + b" after</p>"
    found = find_leaks([("page", b"clean"), ("other", body)], ["another name", NAME])
    assert [(leak.where, leak.sentinel) for leak in found] == [("other", NAME)]


def test_a_clean_page_has_no_leaks():
    body = json.dumps({"set": "A", "token": opaque_token("s", 1)}).encode()
    assert find_leaks([("page", body)], [NAME, "0123456789abcdef" * 4]) == []


def test_a_sentinel_too_short_to_be_told_from_chance_is_refused():
    with pytest.raises(ValueError, match="too short"):
        find_leaks([("page", b"")], ["abc"])


def test_scanning_for_thousands_of_sentinels_finds_the_one():
    sentinels = [f"{i:064x}" for i in range(2000)]
    page = b"<html>" + b"x" * 20000 + sentinels[1234].encode()
    assert [leak.sentinel for leak in find_leaks([("page", page)], sentinels)] == [sentinels[1234]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"You agreed to version 1.", False),
        ("Réed, Reedé".encode(), False),
        (b"a reed.", True),
        (b"/sets/reed-1/", True),
        (b"reed2 _reed_", True),
        (b"agreed by Reed", True),
    ],
)
def test_a_short_name_inside_a_word_is_that_word(text, found):
    assert bool(find_leaks([("page", text)], ["Reed"])) is found


def test_a_long_name_is_found_wherever_it_stands():
    assert find_leaks([("page", b"superzanzibarish")], ["Zanzibari"])
