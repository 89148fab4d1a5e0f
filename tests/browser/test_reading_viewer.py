"""The large view: scale, place, and the reference beside the image."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = """id => {
  const image = document.getElementById(id).getBoundingClientRect();
  const pane = document.getElementById(id).parentElement.getBoundingClientRect();
  return [image.x - pane.x, image.y - pane.y, image.width].map(Math.round);
}"""

# A frame brings the resize event before its callbacks are called.
DRAWN_ANEW = """width => innerWidth === width && new Promise(
  done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"""


@pytest.fixture
def viewer(page, first_case):
    """The large view of set A's first image, 32 pixels wide; panes of about 700 by 800."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator(".set:not([hidden]) .shot").first.click()
    expect(page.locator("#viewer-scale")).to_have_text("Scale 16×")
    return page


def place(page):
    """x and y of the image in its pane and its width; the reference's are the same."""
    image = page.evaluate(PLACE, "viewer-image")
    assert page.evaluate(PLACE, "viewer-reference") == image
    return image


def middle(page):
    box = page.locator(".pane").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_keys_and_buttons_change_the_scale_by_whole_numbers(viewer):
    assert place(viewer)[2] == 16 * 32
    viewer.keyboard.press("-")
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 12×")
    assert place(viewer)[2] == 12 * 32
    viewer.click("[data-view=smaller]")
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 8×")
    viewer.keyboard.press("+")
    viewer.click("[data-view=fit]")
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 16×")


def test_at_a_whole_number_no_pixel_is_blurred_and_below_one_all_are_smoothed(viewer):
    rendering = "getComputedStyle(document.getElementById('viewer-image')).imageRendering"
    assert viewer.evaluate(rendering) == "pixelated"
    for _ in range(20):
        viewer.keyboard.press("-")
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 1/8")
    assert viewer.evaluate(rendering) == "auto"


def test_the_wheel_scales_about_the_place_that_it_points_at(viewer):
    viewer.set_viewport_size({"width": 700, "height": 400})
    viewer.wait_for_function(DRAWN_ANEW, arg=700)
    before = place(viewer)  # larger than the pane both ways
    x, y = middle(viewer)
    viewer.mouse.move(x + 40, y - 20)
    pane = viewer.locator(".pane").first.bounding_box()
    at = [x + 40 - pane["x"], y - 20 - pane["y"]]
    viewer.mouse.wheel(0, 100)
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 12×")
    viewer.wait_for_timeout(50)
    viewer.mouse.wheel(0, -100)
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 16×")
    viewer.mouse.move(x - 30, y + 10)
    viewer.mouse.wheel(0, -100)  # no larger than 16
    after = place(viewer)
    for i in range(2):
        assert (at[i] - before[i]) / before[2] == pytest.approx(
            (at[i] - after[i]) / after[2], abs=0.01
        )


def test_dragging_shift_and_a_click_move_both_images_alike(viewer):
    viewer.set_viewport_size({"width": 700, "height": 400})
    viewer.wait_for_function(DRAWN_ANEW, arg=700)
    viewer.keyboard.press("0")
    for _ in range(5):
        viewer.keyboard.press("+")
    start = place(viewer)
    x, y = middle(viewer)
    viewer.mouse.move(x, y)
    viewer.mouse.down()
    viewer.mouse.move(x + 30, y + 20, steps=4)
    viewer.mouse.up()
    dragged = place(viewer)
    assert [dragged[0] - start[0], dragged[1] - start[1]] == pytest.approx([30, 20], abs=12)
    viewer.keyboard.press("Shift+ArrowRight")
    assert place(viewer)[0] == pytest.approx(dragged[0] - 64, abs=1)
    before = place(viewer)
    viewer.mouse.click(x - 25, y)
    assert place(viewer)[0] == pytest.approx(before[0] + 25, abs=1)


def test_two_fingers_scale_and_end_on_a_whole_number(browser, viewer):
    client = viewer.context.new_cdp_session(viewer)
    x, y = middle(viewer)

    def touch(kind, *spread):
        points = [{"x": x + d, "y": y, "id": i} for i, d in enumerate(spread)]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    viewer.keyboard.press("-")
    viewer.keyboard.press("-")
    touch("touchStart", -100, 100)
    for d in (80, 60, 51):
        touch("touchMove", -d, d)
    touch("touchEnd")
    expect(viewer.locator("#viewer-scale")).to_have_text("Scale 4×")
    assert place(viewer)[2] == 4 * 32


def test_keys_and_buttons_go_through_the_set_and_the_references(viewer):
    image, reference = (viewer.locator(f"#viewer-{w}-caption") for w in ("image", "reference"))
    expect(image).to_have_text("Set A, image 1 of 2")
    viewer.keyboard.press("ArrowRight")
    expect(image).to_have_text("Set A, image 2 of 2")
    viewer.click("[data-view=next]")
    expect(image).to_have_text("Set A, image 1 of 2")
    viewer.keyboard.press("r")
    expect(reference).to_have_text("Reference 2 of 2")
    viewer.keyboard.press("b")
    expect(reference).to_be_hidden()
    viewer.keyboard.press("Escape")
    expect(viewer.locator("#viewer")).not_to_be_visible()
    expect(viewer.get_by_role("button", name="Set A, image 1")).to_be_focused()


def test_its_button_closes_it(viewer):
    viewer.locator("#viewer").get_by_role("button", name="Close").click()
    expect(viewer.locator("#viewer")).not_to_be_visible()
    expect(viewer.get_by_role("button", name="Set A, image 1")).to_be_focused()


def test_the_scale_in_the_grid_is_stated(page, first_case):
    shown = page.locator(".set:visible img").first.bounding_box()["width"]
    expect(page.locator("#grid-scale")).to_have_text(f"shown at {round(100 * shown / 32)} %")


def test_the_images_of_the_next_case_are_there_before_it_is_opened(page, first_case):
    waiting = """() => {
      const wanted = [...document.querySelectorAll("link[rel=prefetch]")].map(l => l.href);
      const got = performance.getEntriesByType("resource").map(e => e.name);
      return [wanted.length, wanted.filter(url => !got.includes(url)).length];
    }"""
    for _ in range(50):
        if page.evaluate(waiting) == [2 + 3 * 2, 0]:
            break
        page.wait_for_timeout(100)
    assert page.evaluate(waiting) == [2 + 3 * 2, 0]
