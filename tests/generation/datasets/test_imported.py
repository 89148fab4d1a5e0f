"""Which image was made from which prompt, as folders and ZIPs say it."""

import io
import struct
import zipfile

import pytest

from generation.datasets import DatasetError
from generation.datasets.archives import open_archive
from generation.datasets.imported import list_sets

PROMPTS = ["Generate an image with 1 polyp.", "Généré: two polyps", "A polyp / an instrument"]


def packed(files, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    out.seek(0)
    return out


def listed(files, **options):
    with open_archive(packed(files), name="theirs.zip") as archive:
        return list_sets(archive, PROMPTS, **options)


def names(sets):
    return {number: [r.name for r in records] for number, records in sorted(sets.images.items())}


def refused(files, *, data=None):
    with pytest.raises(DatasetError) as caught, open_archive(data or packed(files), name="t.zip"):
        pass
    return caught.value.problems


@pytest.mark.parametrize(
    "folders",
    [
        ["1", "2", "3"],
        ["001", "02", "3"],
        ["generate-an-image-with-1-polyp", "genere-two-polyps", "a-polyp-an-instrument"],
        ["Generate an image with 1 polyp.", "GÉNÉRÉ: two  polyps", "A polyp _ an instrument"],
        ["Generate_an_image_with_1_polyp", "Généré_ two polyps", "3"],
        ["theirs/run 7/1", "theirs/run 7/2", "theirs/run 7/3"],
    ],
)
def test_a_prompt_s_folder_is_its_text_its_words_or_its_number(folders):
    sets = listed({f"{folder}/a.png": b"" for folder in folders})
    assert sets.problems == []
    assert [len(sets.images[number]) for number in range(3)] == [1, 1, 1]
    assert [r.name.split("/")[0] for r in sets.records] == [f.split("/")[-1] for f in folders]


def test_images_come_in_order_of_their_numbers_not_of_their_digits():
    files = {f"{n}/{i}.png": b"" for n in (1, 2, 3) for i in (10, 2, 1)}
    assert names(listed(files))[0] == ["1/1.png", "1/2.png", "1/10.png"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_may_say_it_for_images_anywhere(separator):
    rows = [("Prompt", "Image"), (PROMPTS[0], "x/1.png"), ("2", "2.png"), ("3", "x\\3.png")]
    table = "\n".join(separator.join(row) for row in rows).encode("utf-8-sig")
    files = {"out/mapping.csv": table, "out/x/1.png": b"", "out/2.png": b"", "out/x/3.png": b""}
    sets = listed({**files, "out/x/unused.png": b""})
    assert sets.problems == []
    assert names(sets) == {0: ["x/1.png"], 1: ["2.png"], 2: ["x/3.png"]}
    assert sets.left_alone == ["x/unused.png"]


def test_all_that_is_wrong_with_a_table_is_said_with_its_line():
    table = "prompt,image\nGenerate an image with one polyp.,1.png\n2,2.pgn\n2,\n3,3.png\n1,3.png\n"
    sets = listed({"mapping.csv": table, "1.png": b"", "2.png": b"", "3.png": b""})
    assert sets.problems[:4] == [
        "mapping.csv, line 2: there is no prompt “Generate an image with one polyp.”; "
        f"the nearest is “{PROMPTS[0]}”.",
        "mapping.csv, line 3: there is no image “2.pgn”; the nearest is 2.png.",
        "mapping.csv, line 4: no image is named.",
        "mapping.csv, line 6: 3.png stands in line 5 already: an image has one prompt.",
    ]
    assert "2 of 3 prompts have no images" in sets.problems[4]


@pytest.mark.parametrize("table", [b"", b"a,b\n1,2\n", b"prompt,image\n", b"prompt,image\n\xff,\n"])
def test_a_table_without_its_columns_or_rows_is_refused(table):
    sets = listed({"mapping.csv": table, "1.png": b""})
    assert "mapping.csv" in sets.problems[0]


def test_unknown_doubled_misplaced_and_missing_are_all_said_at_once():
    files = ["1/a.png", "generate-an-image-with-1-polyp/b.png", "two polyps genere/a.png"]
    files += ["9/a.png", "a.png", "2/inner/a.png"]
    problems = "\n".join(listed(dict.fromkeys(files, b"")).problems)
    for part in (
        f"Folders 1 and generate-an-image-with-1-polyp both stand for “{PROMPTS[0]}”",
        "Folder two polyps genere: there is no prompt",
        "Folder 9: there is no prompt “9”; prompts have the numbers 1 to 3.",
        "a.png lies in no prompt's folder, and there is no mapping.csv",
        "2/inner/a.png lies too deep",
        f"2 of 3 prompts have no images: “{PROMPTS[1]}”, “{PROMPTS[2]}”.",
    ):
        assert part in problems


def test_prompts_of_the_same_words_want_their_numbers():
    with open_archive(packed({"a-polyp/1.png": b""}), name="t.zip") as archive:
        sets = list_sets(archive, ["A polyp.", "A polyp!"], some=True)
    assert sets.problems[0] == "Folder a-polyp: “a-polyp” may be prompt 1 and 2: use the number."


def test_sets_of_several_sizes_and_too_many_images_are_refused():
    files = {f"{n}/{i}.png": b"" for n, count in ((1, 25), (2, 25), (3, 2)) for i in range(count)}
    assert listed(files).problems == [
        f"Every prompt needs as many images as the others: most have 25, but “{PROMPTS[2]}” 2.",
        "There are 25 images for a prompt; 24 are the most.",
    ]


def test_only_some_prompts_may_have_images_where_that_is_said():
    files = {"2/1.png": b""}
    assert "2 of 3 prompts have no images" in listed(files).problems[0]
    sets = listed(files, some=True)
    assert (sets.problems, names(sets)) == ([], {1: ["2/1.png"]})


def test_what_computers_and_people_put_beside_images_does_no_harm():
    beside = ["__MACOSX/1/._a.png", "1/.DS_Store", "2/Thumbs.db", "README.txt", "1/settings.json"]
    sets = listed(dict.fromkeys(["1/a.png", "2/a.png", "3/a.png", *beside], b""))
    assert sets.problems == []
    assert sets.left_alone == ["README.txt", "1/settings.json"]


@pytest.mark.parametrize("files", [{}, {"README.txt": b""}, {"__MACOSX/a.png": b""}])
def test_an_empty_one_is_refused(files):
    assert listed(files).problems == ["There are no images in it that belong to a prompt."]


# ZIPs that can't be trusted


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "1/../../a.png", "C:\\a.png", "..\\a"])
def test_names_that_lead_out_are_refused(name):
    assert refused({name: b""}) == [
        name.replace("\\", "/") + " names a place outside the ZIP: pack the folder itself."
    ]


def test_a_file_that_expands_absurdly_is_refused_unread():
    bomb = packed({"1/a.png": bytes(50 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb.getvalue()) < 100_000
    assert refused({}, data=bomb) == [
        "1/a.png expands more than 200-fold, as no image does: leave it out."
    ]


def test_one_that_is_cut_off_or_no_zip_at_all_is_refused():
    whole = packed({"1/a.png": bytes(1000)}).getvalue()
    for data in (whole[:700], whole[:-5], b"", b"GIF89a"):
        [problem] = refused({}, data=io.BytesIO(data))
        assert problem.startswith("t.zip is no ZIP, or only a part of one")


def test_an_encrypted_file_is_refused():
    data = bytearray(packed({"1/a.png": b"abc"}).getvalue())
    place = data.index(b"PK\x01\x02") + 8  # its flags in the list of contents
    data[place : place + 2] = struct.pack("<H", 1)
    [problem] = refused({}, data=io.BytesIO(bytes(data)))
    assert problem == "1/a.png is encrypted: pack it without a password."


def test_a_link_is_refused(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("1/a.png")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    assert refused({}, data=out) == ["1/a.png is a link: pack the file itself."]
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "a.png").symlink_to("/etc/passwd")
    assert refused({}, data=tmp_path) == [
        "1/a.png is a link out of the folder: put the file itself there."
    ]


def test_a_damaged_file_is_said_when_it_is_read():
    data = bytearray(packed({"1/a.png": b"abcdefgh"}).getvalue())
    data[data.index(b"abcdefgh")] ^= 1
    with (
        open_archive(io.BytesIO(bytes(data)), name="t.zip") as archive,
        pytest.raises(OSError, match="damaged in the ZIP"),
    ):
        archive.read["1/a.png"]()
