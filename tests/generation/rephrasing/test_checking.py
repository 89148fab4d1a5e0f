import pytest

from generation.rephrasing.checking import difference


@pytest.mark.parametrize(
    ("original", "rephrasing"),
    [
        ("Generate an image with 2 polyps.", "Two polyps are shown in the picture."),
        ("Generate an image with 2 polyps.", "A crisp photo of mucosa bearing two polyps."),
        ("Chest radiograph with a left pleural effusion and no pneumothorax.",
         "Radiograph of a chest that shows an effusion of the left pleura, without pneumothorax."),
    ],
)  # fmt: skip
def test_a_rephrasing_that_keeps_the_meaning_passes(original, rephrasing):
    assert difference(original, rephrasing) == ""


@pytest.mark.parametrize(
    ("original", "rephrasing", "said"),
    [
        ("Generate an image with 2 polyps.", "Three polyps are shown.", "numbers: 2 became 3"),
        ("Generate an image with 2 polyps.", "A crisp photo of mucosa bearing three polyps.",
         "numbers: 2 became 3"),
        ("Generate an image with no polyps.", "Show polyps.", "denials: no became none"),
        ("Generate an image containing a polyp.", "Glistening mucosa with a polyp and an ulcer.",
         "things: polyp became polyp, ulcer"),
        ("Generate an image with a polyp and no instruments.",
         "Show an instrument and no polyp.", "it reads as"),
        ("Generate an image with an an abnormality located in the center and upper-left.",
         "Mucosa bearing an abnormality in the upper-left.", "places: center, upper-left became"),
        ("Generate an image containing a polyp.", "Glistening mucosa with polyps.",
         "more than one: none became polyp"),
        ("Chest radiograph with a left effusion.", "Right effusion on a chest radiograph.",
         "sides: left became right"),
        ("Chest radiograph with a nodule of 8 mm.", "Chest radiograph with a nodule of 9 mm.",
         "sizes: 8 mm became 9 mm"),
        ("A brain with no bleeding.", "A brain with bleeding.", "denials: no became none"),
    ],
)  # fmt: skip
def test_a_rephrasing_that_changes_something_is_told_what(original, rephrasing, said):
    assert said in difference(original, rephrasing)
