"""``segment`` with many photos, words in a file, and consoles that lack letters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import refused
from PIL import Image

from errseg.__main__ import main
from errseg.commands.given import folder_names, photo_files, typed_words
from errseg.errors import InputError
from errseg.words.vocabulary import parse_classes

WORDS = ("--classes", "sky, tree")
TINY = ("--input-size", "128")


def segment(*arguments, words=WORDS) -> int:
    return main(["segment", *map(str, (*arguments, *words, *TINY))])


@pytest.fixture
def photos(tmp_path, odd_photos):
    """A folder of two photos, a broken one, and what is no photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.png"):
        with Image.open(odd_photos["cut out.png"]) as photo:
            photo.convert("RGB").save(folder / name)
    (folder / "words.txt").write_text("sky")
    (folder / "._a.jpg").write_bytes(b"a Mac's")
    return folder


@pytest.mark.parametrize(
    "given",
    [
        lambda folder: [folder],
        lambda folder: [folder / "a.jpg", folder / "b.png"],
        lambda folder: [folder / "[ab].*"],
        lambda folder: [folder, folder / "a.jpg"],
    ],
)
def test_each_photo_has_a_folder_of_its_own(photos, tmp_path, capsys, given):
    out = tmp_path / "out"
    assert segment(*given(photos), "--out", out) == 0
    said = capsys.readouterr().out.splitlines()
    assert {path.name for path in out.iterdir()} == {"a", "b"}
    for name in ("a", "b"):
        described = json.loads((out / name / "result.json").read_text(encoding="utf-8"))
        assert described["photo"] == {"width": 90, "height": 60}
    assert said[0].startswith("a.jpg: ")
    assert said[-1] == f"Wrote the results of 2 of 2 photos to {out}, a folder each."


def test_a_photo_that_can_t_be_used_stops_no_other(photos, tmp_path, capsys):
    (photos / "a.jpg").write_bytes(b"milk")
    out = tmp_path / "out"
    assert segment(photos, "--out", out, "--save", "coco,html") == 2
    said = capsys.readouterr()
    assert "a.jpg: not segmented. 'a.jpg' is not a photo that can be read" in said.out
    assert "Wrote the results of 1 of 2 photos" in said.out
    assert said.err.endswith("1 of 2 photos could not be segmented.\n")
    assert (out / "b" / "result.html").is_file()
    coco = json.loads((out / "b" / "coco.json").read_text(encoding="utf-8"))
    assert coco["images"][0]["file_name"] == "b.png"


def test_nothing_is_overwritten_in_silence(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert segment(photos / "a.jpg", "--out", out) == 0
    assert "Replaced" not in capsys.readouterr().out
    assert segment(photos / "b.png", "--out", out) == 0
    assert f"Replaced the earlier result in {out}." in capsys.readouterr().out
    for told in (False, True):
        assert segment(photos, "--out", out / "all") == 0
        assert ("Replaced 2 earlier results." in capsys.readouterr().out) == told


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("empty", "holds no photos"),
        ("*.jpg", "No photo fits the pattern"),
        ("https://example.com/cat.jpg", "That is an address"),
        ("gone.jpg", "There is no photo 'gone.jpg'"),
    ],
)
def test_what_names_no_photo_gets_a_sentence(tmp_path, capsys, given, sentence):
    (tmp_path / "empty").mkdir()
    place = given if ":" in given else tmp_path / given
    assert sentence in refused(capsys, "segment", place, *WORDS, "--out", tmp_path / "out")


def test_folders_are_told_apart():
    files = ["a.jpg", "a.png", "x/b.jpg", "y/b.jpg", "C.jpg", "c.JPG", "d.jpg"]
    names = folder_names([Path(file) for file in files])
    assert len({name.casefold() for name in names}) == len(files)
    assert names == ["a.jpg", "a.png", "b.jpg", "b.jpg-2", "C.jpg", "c.JPG-2", "d"]


def test_a_name_that_is_no_pattern_is_taken_as_it_is(tmp_path):
    odd = tmp_path / "holiday [1].jpg"
    odd.write_bytes(b"")
    assert photo_files([odd]) == [odd]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_words_may_stand_in_a_file(tmp_path, encoding):
    (tmp_path / "words.txt").write_bytes("café\r\nsofa | couch\r\n".encode(encoding))
    words = parse_classes(typed_words(f" @{tmp_path / 'words.txt'} "))
    assert words.text == "café, sofa | couch"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("@gone.txt", "There is no file gone.txt with words"),
        ("@", "There is no file"),
        ("classes.txt", "write --classes @classes.txt"),
        ("{folder}/words", "write --classes @"),
        ("C:\\Users\\me\\my words.csv", "is a file's name and would be read as a class"),
        ("@{folder}/picture.txt", "is no text"),
        ("@{folder}/long.txt", "too long for a list of words"),
        ("@{folder}", "There is no file"),
    ],
)
def test_a_path_is_no_class(tmp_path, typed, sentence):
    (tmp_path / "words").write_text("sky")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "long.txt").write_bytes(b"x" * 300_000)
    with pytest.raises(InputError, match=sentence.replace(".", r"\.")):
        typed_words(typed.format(folder=tmp_path))


@pytest.mark.parametrize("typed", ["dog", "sky, tree", "U.S. flag", "T-shirt, cup.", "and/or", ""])
def test_other_words_stay_as_they_are(tmp_path, monkeypatch, typed):
    (tmp_path / "dog").mkdir()
    (tmp_path / "sky, tree").write_text("")
    monkeypatch.chdir(tmp_path)
    assert typed_words(typed) == typed


def test_the_command_takes_words_from_a_file_and_notices_a_path(photos, tmp_path, capsys):
    (photos / "words.txt").write_text("sky\ntree\n")
    out, file = tmp_path / "out", photos / "words.txt"
    assert segment(photos / "a.jpg", "--out", out, words=("--classes", f"@{file}")) == 0
    described = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in described["classes"]] == ["sky", "tree"]
    capsys.readouterr()
    assert "is a file's name" in refused(
        capsys, "segment", photos / "a.jpg", "--classes", file, "--out", out
    )


def test_a_console_that_lacks_letters_gets_their_numbers(photos, tmp_path):
    out = tmp_path / "out"
    words = ("--classes", "tree 猫, sky")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "errseg", "segment", photos / "a.jpg", *words),
            *(*TINY, "--threshold", "0", "--out", out),
        ],
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"\\u732b" in done.stdout
    described = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert described["classes"][0]["name"] == "tree 猫"


@pytest.mark.skipif(os.name == "nt", reason="names there are letters")
def test_a_photo_s_name_may_be_no_letters(photos, tmp_path, capsys):
    odd = os.fsdecode(os.fsencode(photos) + b"/caf\xe9.png")
    os.rename(photos / "b.png", odd)
    assert segment(odd, "--out", tmp_path / "out", "--save", "coco,html") == 0
    coco = json.loads((tmp_path / "out" / "coco.json").read_text(encoding="utf-8"))
    assert coco["images"][0]["file_name"] == "caf?.png"
