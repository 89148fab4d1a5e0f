"""What the reader understands, what it tells apart, and what it owns to not understanding."""

import csv

import pytest

from generation.datasets import prompts as prompts_module
from generation.phantom.captions import DEMO_PROMPTS, MORE_PROMPTS
from generation.rephrasing.meaning import Meaning, NotUnderstood, Thing, meaning


def example():
    from pathlib import Path

    file = Path(prompts_module.__file__).parent / "examples" / "prompt-to-polyp.csv"
    with file.open(encoding="utf-8") as lines:
        return [(row["prompt"], row["rephrasing"]) for row in csv.DictReader(lines)]


def test_the_example_has_twenty_pairs_that_mean_the_same():
    pairs = example()
    assert len(pairs) == 20
    assert [pair for pair in pairs if meaning(pair[0]) != meaning(pair[1])] == []


def test_every_prompt_of_the_phantom_and_its_rephrasing_is_understood():
    for prompt in DEMO_PROMPTS + MORE_PROMPTS:
        assert meaning(prompt.text).things
        assert meaning(prompt.rephrasing).procedures == ("colonoscopy",)


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        (
            "Generate an image with an an anatomical landmark located in the center-left and "
            "lower-rigth.",
            Thing("landmark", "1+", places=("center-left", "lower-right")),
        ),
        ("Generate an image with polyps of size < 5mm and >20mm.",
         Thing("polyp", "2+", sizes=("<5 mm", ">20 mm"))),
        ("Generate polyps of type paris is and paris iia.",
         Thing("polyp", "2+", types=("iia", "is"))),
        ("Generate an image not containing a green/black box artefact.",
         Thing("box", "0", colours=("black", "green"))),
        ("Generate an image with an abnormality with the color pale pink.",
         Thing("abnormality", "1+", colours=("pale pink",))),
        ("Generate an image with 16 polyps.", Thing("polyp", "16")),
    ],
)  # fmt: skip
def test_what_is_read_of_a_prompt(text, thing):
    assert meaning(text) == Meaning((thing,))


@pytest.mark.parametrize(
    ("prompt", "others"),
    [
        (
            "Generate an image with no polyps.",
            [
                "Show an endoscopic view without any polyps.",
                "An endoscopic image where polyps are absent.",
                "Produce a picture in which no polyp can be seen.",
                "A frame free of polyps.",
                "Depict a scene that doesn't contain polyps.",
                "Create an image in which polyps cannot be seen.",
            ],
        ),
        (
            "Generate an image with 1 polyp.",
            ["Show a single polyp.", "Display exactly one polyp.", "Depict only 1 polyp."],
        ),
        (
            "Generate an image with a polyp of size 5-10mm.",
            [
                "Show a 5–10 mm polyp.",
                "Create a picture of a polyp between 5 and 10 millimetres in diameter.",
                "Depict a polyp measuring from five to ten mm.",
                "Show a polyp of 0.5 to 1 cm.",
            ],
        ),
        (
            "Generate an image with a polyp of size >20mm.",
            ["Show a polyp larger than 20 mm.", "Depict a polyp over 2 cm in size."],
        ),
        (
            "Generate a polyp of type paris is.",
            ["Show a sessile polyp.", "Depict a polyp whose Paris type is Is.",
             "A polyp of Paris classification 0-Is."],
        ),
        (
            "Generate a polyp of type paris iia.",
            ["Show a polyp whose Paris type is IIa.", "Depict a flat polyp (Paris IIa)."],
        ),
        (
            "Generate an image with an an abnormality located in the upper-left and lower-center.",
            [
                "In the top left and bottom center of the frame, show an abnormality.",
                "Show a lesion in the upper left corner and at the bottom.",
                "An anomaly in the lower centre and the upper left.",
            ],
        ),
        (
            "Generate an image with an abnormality with the colors pink and grey.",
            ["Show a pink and gray lesion.", "An abnormality whose colours are grey and pink."],
        ),
        (
            "Generate an image containing a polypandoesophagitis.",
            ["Show esophagitis and a polyp.", "A picture with a polyp and with oesophagitis."],
        ),
        (
            "Generate an image from a gastroscopy procedure.",
            ["A gastroscopic picture.", "Show a view from an upper GI endoscopy."],
        ),
        ("Generate an image containing biopsy forceps.", ["Show a pair of biopsy forceps."]),
    ],
)  # fmt: skip
def test_other_words_for_the_same_mean_the_same(prompt, others):
    assert [text for text in others if meaning(text) != meaning(prompt)] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a polyp", "polyps"),
        ("a polyp", "1 polyp"),
        ("two polyps", "two or more polyps"),
        ("a polyp", "an abnormality"),
        ("a polyp of less than 5 mm", "a polyp of at most 5 mm"),
        ("a polyp", "a polyp in a colonoscopy"),
        ("a polyp and no instruments", "an instrument and no polyps"),
        ("a polyp and no instruments", "a polyp and an instrument"),
        ("no polyps or text", "no polyps"),
        ("a pink abnormality", "a pale pink abnormality"),
        ("ulcerative colitis", "colitis"),
        ("a polyp", "a polyp with an ulcer"),
        ("a polyp in the center", "a polyp in the center left"),
    ],
)
def test_these_do_not_mean_the_same(one, other):
    assert meaning(f"Show {one}.") != meaning(f"Show {other}.")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A chest radiograph with a polyp.", "not known: chest, radiograph"),
        ("Not an image without polyps.", "A denial of a denial"),
        ("An image with no polyps and instruments.", "may or may not reach"),
        ("An image with a polyp and text not visible.", "several things"),
        ("An image with 2.", "belongs to nothing"),
        ("Show pink.", "belongs to nothing"),
        ("Show 2 3 polyps.", "Two numbers"),
        ("Not two polyps.", "number of something that is denied"),
        ("An image of a polyp and, in the upper left, a tube.", "thing before or after"),
        ("Generate an image.", "Nothing that is to be seen"),
        ("A polyp in the upper lower part.", "not known: upper lower"),
        ("Without a colonoscopy.", "procedure that is denied"),
        ("", "Nothing"),
        ("多个息肉", "not known"),
    ],
)
def test_what_is_not_understood_is_not_guessed(text, why):
    with pytest.raises(NotUnderstood, match=why):
        meaning(text)
