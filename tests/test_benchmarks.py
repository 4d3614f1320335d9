"""What all benchmarks share: half of one gets a sentence, and its values and names agree."""

import shutil
from pathlib import Path

import pytest
from benchmark_trees import (
    write_ade150,
    write_ade847,
    write_coco,
    write_coloured_camvid,
    write_context,
    write_voc,
)

from errseg.datasets import layouts
from errseg.datasets.benchmarks import DATASETS, READERS, open_dataset
from errseg.datasets.layouts import read_values
from errseg.errors import InputError
from errseg.words.relations import plain_name
from errseg.words.vocabulary import load_vocabulary


@pytest.mark.parametrize(
    ("name", "write", "gone", "sentence"),
    [
        (
            "coco-stuff",
            write_coco,
            "stuffthingmaps_trainval2017/val2017/val2017_a.png",
            "val2017_a",
        ),
        ("coco-stuff", write_coco, "stuffthingmaps_trainval2017", "stuffthingmaps_trainval2017"),
        ("coco-stuff", write_coco, "val2017/val2017_a.jpg", "lacks 1 of 1 photos (val2017_a)"),
        ("ade150", write_ade150, "ADEChallengeData2016/annotations/training", "there is no "),
        ("ade150", write_ade150, "ADEChallengeData2016/images", "there is no images/training"),
        (
            "ade847",
            write_ade847,
            "ADE20K_2021_17_01/images/ADE/validation/home/attic/ADE_val_1_seg.png",
            "lacks 1 of 1 masks (ADE_val_1_seg.png)",
        ),
        ("ade847", write_ade847, "ADE20K_2021_17_01/images", "there is no images/ADE/training"),
        ("context59", write_context, "VOCdevkit/VOC2010/trainval", "VOC2010/trainval"),
        (
            "context459",
            write_context,
            "VOCdevkit/VOC2010/trainval/2008_000002.mat",
            "lacks 1 of 2 masks (2008_000002)",
        ),
        (
            "context459",
            write_context,
            "VOCdevkit/VOC2010/JPEGImages/2008_000002.jpg",
            "2008_000002",
        ),
        ("context59", write_context, "VOCdevkit/VOC2010/ImageSets", "ImageSets/Main/train.txt"),
        ("voc20", write_voc, "VOCdevkit/VOC2012/SegmentationClass", "VOC2012/SegmentationClass"),
        (
            "voc21",
            write_voc,
            "VOCdevkit/VOC2012/SegmentationClass/2007_000002.png",
            "lacks 1 of 1 masks (2007_000002)",
        ),
        ("voc20", write_voc, "VOCdevkit/VOC2012/JPEGImages/2007_000001.jpg", "lists 2007_000001"),
        ("voc20", write_voc, "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt", "val.txt"),
        ("camvid", write_coloured_camvid, "val_labels/val_1_L.png", "lacks 1 of 1 masks (val_1)"),
        ("camvid", write_coloured_camvid, "train_labels", "train_labels"),
    ],
)
def test_half_a_benchmark_gets_one_sentence(tmp_path, name, write, gone, sentence):
    write(tmp_path)
    open_dataset(name, tmp_path)
    path = tmp_path / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError) as refusal:
        open_dataset(name, tmp_path)
    assert sentence in str(refusal.value)
    assert "unpack the whole of it, from http" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", READERS)
def test_an_empty_folder_is_no_benchmark(tmp_path, name):
    with pytest.raises(InputError, match=r"there is no .*; unpack the whole of it, from http"):
        open_dataset(name, tmp_path)


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no data set 'mars'; there are coco-stuff, .*folder\."):
        open_dataset("mars", tmp_path)
    with pytest.raises(InputError, match="There is no folder"):
        open_dataset("voc20", tmp_path / "gone")


def test_every_benchmark_s_values_are_as_many_as_its_names_and_say_their_source():
    folder = Path(layouts.__file__).with_name("values")
    files = sorted(path.stem for path in folder.iterdir())
    assert files == ["ade847", "camvid", "coco_stuff", "context59"]
    assert all(len(read_values(name)["source"]) > 60 for name in files)
    counts = {"ade847": 847, "coco_stuff": 171, "context59": 59}
    for name, count in counts.items():
        values = read_values(name)["values"]
        assert len(values) == len(set(values)) == count
    # ADE20K's first list was alphabetical; what was added later has the ids above it.
    ids = read_values("ade847")["values"]
    prompts = load_vocabulary("ade847", published_spelling=True).classes
    spelled = [", ".join((p.name, *p.aliases)).replace("-", " ") for p in prompts]
    first = [name for i, name in sorted(zip(ids, spelled, strict=True)) if i < 3100]
    assert first == sorted(first)


@pytest.mark.parametrize("words", ["coco171", "ade150", "ade847", "context59", "context459"])
def test_the_lists_names_are_plain(words):
    names = load_vocabulary(words).names
    assert [plain_name(name) for name in names] == list(names)


def test_the_data_sets_are_those_of_the_paper_and_two_more():
    assert set(DATASETS) == {
        *("coco-stuff", "ade150", "ade847", "context59", "context459", "voc20"),
        *("voc21", "camvid", "folder"),
    }
