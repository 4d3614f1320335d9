"""The benchmarks in tiny trees as they are published: the right photo with the right label.

What is expected is written out by hand, from the data sets' own descriptions.
"""

import shutil
import sys

import numpy as np
import pytest
from benchmark_trees import (
    SIZE,
    TRAIN_RED,
    VALIDATION_GREEN,
    squares,
    write_ade150,
    write_ade847,
    write_coco,
    write_coloured_camvid,
    write_context,
    write_mask,
    write_photo,
    write_text,
    write_voc,
)
from PIL import Image
from scipy.io import savemat

from errseg.datasets.benchmarks import open_dataset
from errseg.datasets.layouts import read_values
from errseg.datasets.sets import open_mask, samples
from errseg.errors import InputError
from errseg.words.vocabulary import load_vocabulary


def labels(sample_set, part):
    """Names of the six squares of a part's only photo, None where none counts; and its colour."""
    ((photo, label),) = samples(sample_set, getattr(sample_set, part))
    assert photo.shape == (*SIZE, 3)
    assert label.shape == SIZE
    found = []
    for y, x in np.ndindex(2, 3):
        (value,) = np.unique(label[8 * y : 8 * y + 8, 8 * x : 8 * x + 8])
        found.append(sample_set.class_names[value] if value >= 0 else None)
    return found, photo[8, 8]


def check(sample_set, training, validation):
    """The labels of both parts' photos, and that each photo is the part's own."""
    for part, expected, colour in (
        ("training", training, TRAIN_RED),
        ("validation", validation, VALIDATION_GREEN),
    ):
        if expected is None:
            assert getattr(sample_set, part) == ()
            continue
        found, seen = labels(sample_set, part)
        assert found == expected
        assert np.abs(seen.astype(int) - colour).max() < 12


COCO_NAMES = (
    ["person", "fire hydrant", "stop sign", "toothbrush", "banner", "wood"],
    [None, "backpack", "umbrella", "handbag", "dining table", "toilet"],
)


@pytest.mark.parametrize("photos", ["", "images"])
@pytest.mark.parametrize("masks", ["stuffthingmaps_trainval2017", "annotations"])
@pytest.mark.parametrize("below", ["", "coco"])
def test_coco_stuff(tmp_path, photos, masks, below):
    write_coco(tmp_path / below, photos, masks)
    # What mmsegmentation's converter puts beside the masks is none of them.
    shutil.copy(
        tmp_path / below / masks / "val2017" / "val2017_a.png",
        tmp_path / below / masks / "val2017" / "val2017_a_labelTrainIds.png",
    )
    (coco,) = open_dataset("coco-stuff", tmp_path)
    check(coco, *COCO_NAMES)
    assert (coco.name, len(coco.class_names), coco.exhaustive) == ("coco-stuff", 171, True)
    assert coco.kept_classes is None


def test_a_value_in_a_gap_of_coco_s_ids_is_refused_with_its_file(tmp_path):
    write_coco(tmp_path)
    path = tmp_path / "stuffthingmaps_trainval2017/val2017/val2017_a.png"
    write_mask(path, [0, 0, 0, 11, 11, 0])
    (coco,) = open_dataset("coco-stuff", tmp_path)
    with pytest.raises(InputError) as refusal:
        open_mask(coco, "val2017_a")
    assert f"{path} holds the value 11, for which coco-stuff has no name" in str(refusal.value)
    assert "(128 pixels)" in str(refusal.value)


def test_ade150(tmp_path):
    write_ade150(tmp_path)
    (ade,) = open_dataset("ade150", tmp_path / "ADEChallengeData2016")
    check(
        ade,
        ["wall", "building", "sky", "flag", None, None],
        [None, "windowpane", "plant", "car", "person", "flag"],
    )
    assert (len(ade.class_names), ade.kept_classes) == (150, 32)


def test_ade847(tmp_path):
    write_ade847(tmp_path)
    (ade,) = open_dataset("ade847", tmp_path)
    check(
        ade,
        ["wall", "building", "sky", "bag", "traveling bag", "handbag"],
        ["adding machine", "aircraft carrier", None, None, None, "ad"],
    )
    assert (len(ade.class_names), ade.kept_classes) == (847, 48)
    assert open_mask(ade, "ADE_train_1").mode == "I"


def test_two_classes_of_ade847_with_one_first_synonym_stay_two(tmp_path):
    write_ade847(tmp_path)
    (ade,) = open_dataset("ade847", tmp_path)
    published = ade.vocabulary(published_spelling=True)
    assert len(published) == len(ade.vocabulary()) == 847
    places = [ade.class_names.index(name) for name in ("bag", "traveling bag", "handbag")]
    assert [published.names[place] for place in places] == ["bag"] * 3
    assert published.names == load_vocabulary("ade847", published_spelling=True).names
    assert ade.vocabulary().names == ade.class_names == load_vocabulary("ade847").names


def test_ade847_as_maskformer_prepares_it(tmp_path):
    home = tmp_path / "ADE20K_2021_17_01"
    write_photo(home / "images_detectron2/validation/ADE_val_1.jpg", VALIDATION_GREEN)
    mask = home / "annotations_detectron2/validation/ADE_val_1.tif"
    write_mask(mask, [0, 1, 846, 65535, 255, 256], np.uint16)
    (ade,) = open_dataset("ade847", tmp_path)
    names = load_vocabulary("ade847").names
    check(ade, None, ["wall", "building", "adding machine", None, names[255], names[256]])


# Places in PASCAL-Context's labels.txt, counted by hand from accordion, its first.
def test_context59(tmp_path):
    write_context(tmp_path)
    (context,) = open_dataset("context59", tmp_path)
    check(
        context,
        ["aeroplane", "bag", "dining table", None, None, "wood"],
        ["mouse", "door", "boat", None, "track", "bird"],
    )
    assert (len(context.class_names), context.kept_classes) == (59, 24)
    published = context.vocabulary(published_spelling=True).names
    assert {"diningtable", "pottedplant", "tvmonitor"} <= set(published)


def test_context459(tmp_path):
    lists = "pascalcontext_train.txt", "pascalcontext_val.txt"
    write_context(tmp_path, *lists)
    (context,) = open_dataset("context459", tmp_path / "VOCdevkit/VOC2010")
    check(
        context,
        ["aeroplane", "bag", "table", "wool", "accordion", "wood"],
        ["mouse", "door", "boat", None, "track", "bird"],
    )
    assert (len(context.class_names), context.kept_classes) == (459, 48)


def test_the_59_context_classes_are_those_of_the_459_by_the_same_names():
    ids = read_values("context59")["values"]
    few = load_vocabulary("context59", published_spelling=True).names
    all_names = load_vocabulary("context459", published_spelling=True).names
    same = [name.replace("diningtable", "table") for name in few]
    assert [all_names[i - 1] for i in ids] == same


@pytest.mark.parametrize(
    ("name", "folder", "ending", "values", "expected"),
    [
        (
            "context59",
            "annotations_detectron2/pc59_val",
            "png",
            [0, 1, 58, 255, 49, 36],
            ["aeroplane", "bag", "wood", None, "dining table", "person"],
        ),
        (
            "context459",
            "annotations_detectron2/pc459_val",
            "tif",
            [0, 1, 458, 459, 396, 65535],
            ["accordion", "aeroplane", "wool", None, "table", None],
        ),
    ],
)
def test_context_as_cat_seg_prepares_it(tmp_path, name, folder, ending, values, expected):
    home = write_context(tmp_path)
    shutil.rmtree(home / "trainval")
    write_mask(
        home / folder / f"2008_000002.{ending}", values, np.uint16 if "4" in name else np.uint8
    )
    (context,) = open_dataset(name, tmp_path)
    check(context, None, expected)


def test_context59_as_mmsegmentation_prepares_it(tmp_path):
    lists = (f"ImageSets/SegmentationContext/{part}.txt" for part in ("train", "val"))
    home = write_context(tmp_path, *lists)
    shutil.rmtree(home / "trainval")
    write_mask(home / "SegmentationClassContext/2008_000001.png", [1, 2, 59, 0, 50, 37])
    write_mask(home / "SegmentationClassContext/2008_000002.png", [0, 0, 0, 0, 0, 19])
    (context,) = open_dataset("context59", tmp_path)
    check(
        context,
        ["aeroplane", "bag", "wood", None, "dining table", "person"],
        [None] * 5 + ["computer"],
    )


def test_a_mat_file_without_a_label_map_is_refused(tmp_path):
    home = write_context(tmp_path)
    savemat(home / "trainval/2008_000002.mat", {"Other": squares([1] * 6)})
    (home / "trainval/2008_000001.mat").write_bytes(b"no mat")
    (context,) = open_dataset("context459", tmp_path)
    for stem in ("2008_000001", "2008_000002"):
        with pytest.raises(InputError, match=rf"{stem}\.mat can't be read .* LabelMap"):
            open_mask(context, stem)


def test_mat_files_say_what_they_need(tmp_path, monkeypatch):
    write_context(tmp_path)
    (context,) = open_dataset("context459", tmp_path)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(InputError, match="pip install scipy"):
        open_mask(context, "2008_000002")


VOC_NAMES = (
    [None, "aeroplane", "tv monitor", None, "dining table", "person"],
    ["tv monitor", "potted plant", None, None, "aeroplane", "bicycle"],
)


@pytest.mark.parametrize("below", ["", "VOC2012", "VOCdevkit/VOC2012"])
def test_voc20_does_not_measure_the_background(tmp_path, below):
    write_voc(tmp_path, below)
    (voc,) = open_dataset("voc20", tmp_path)
    check(voc, *VOC_NAMES)
    assert (len(voc.class_names), voc.kept_classes, voc.exhaustive) == (20, 16, False)


def test_voc21_has_a_class_named_background(tmp_path):
    write_voc(tmp_path)
    (voc,) = open_dataset("voc21", tmp_path)
    with_background = [
        ["background" if i == place else name for i, name in enumerate(names)]
        for names, place in zip(VOC_NAMES, (0, 2), strict=True)
    ]
    check(voc, *with_background)
    assert len(voc.class_names) == len(voc.vocabulary(published_spelling=True)) == 21
    assert voc.class_names[-1] == "background"


def test_voc_trains_on_the_augmented_list_if_it_is_there(tmp_path):
    home = write_voc(tmp_path)
    write_mask(home / "SegmentationClassAug/2009_000009.png", [8] * 6)
    (voc,) = open_dataset("voc20", tmp_path)
    assert voc.training == ("2007_000001",)  # no list
    text = "/JPEGImages/2009_000009.jpg /SegmentationClassAug/2009_000009.png\r\n"
    write_text(home / "ImageSets/Segmentation/trainaug.txt", text)
    (voc,) = open_dataset("voc20", tmp_path)
    check(voc, ["cat"] * 6, VOC_NAMES[1])


def test_a_photo_in_both_lists_is_refused(tmp_path):
    home = write_voc(tmp_path)
    write_text(home / "ImageSets/Segmentation/train.txt", "2007_000001\n2007_000002\n")
    with pytest.raises(InputError, match=r"2007_000002 in .* are listed in both parts"):
        open_dataset("voc20", tmp_path)


CAMVID_NAMES = (
    ["sky", "building", "pole", "road", "sidewalk", None],
    ["tree", "traffic sign", "fence", "car", "pedestrian", "bicyclist"],
)


def test_camvid_as_segnet_has_it(tmp_path):
    for part, colour, values in (
        ("train", TRAIN_RED, [0, 1, 2, 3, 4, 11]),
        ("val", (0, 0, 0), [11] * 6),
        ("test", VALIDATION_GREEN, [5, 6, 7, 8, 9, 10]),
    ):
        write_photo(tmp_path / "CamVid" / part / f"{part}_1.png", colour)
        write_mask(tmp_path / "CamVid" / f"{part}annot" / f"{part}_1.png", values)
    (camvid,) = open_dataset("camvid", tmp_path)
    check(camvid, *CAMVID_NAMES)
    assert len(camvid.class_names) == 11


# Of CamVid's label_colors.txt.


def test_camvid_in_colours_gives_the_same_classes(tmp_path):
    write_coloured_camvid(tmp_path)
    (camvid,) = open_dataset("camvid", tmp_path)
    check(camvid, *CAMVID_NAMES)


def test_colours_that_camvid_does_not_list_are_refused(tmp_path):
    write_coloured_camvid(tmp_path)
    (camvid,) = open_dataset("camvid", tmp_path)
    with Image.open(tmp_path / "val_labels/val_1_L.png") as mask:
        mask.putpixel((3, 3), (1, 2, 3))
        mask.save(tmp_path / "val_labels/val_1_L.png")
    with pytest.raises(InputError, match=r"val_1_L\.png holds the colour 1 2 3"):
        open_mask(camvid, "val_1")
    table = tmp_path / "class_dict.csv"
    text = table.read_text()
    for written, sentence in (
        (text.replace("Sky", "Sea"), "names Sea, which CamVid doesn't label"),
        (text.replace("Fence", "Wall"), "gives no colour to Fence"),
        (text.replace("name,r", "label,red"), "must have the columns name, r, g, b"),
        (text.replace("192, 0, 128", "192, x, 128"), "must have the columns name, r, g, b"),
    ):
        table.write_text(written)
        with pytest.raises(InputError, match=sentence):
            open_dataset("camvid", tmp_path)
    table.unlink()
    with pytest.raises(InputError, match=r"there is no .*class_dict\.csv"):
        open_dataset("camvid", tmp_path)


def test_a_part_that_was_not_fetched_is_empty(tmp_path):
    write_coco(tmp_path)
    shutil.rmtree(tmp_path / "train2017")
    (coco,) = open_dataset("coco-stuff", tmp_path)
    check(coco, None, COCO_NAMES[1])


def test_a_folder_is_one_set_or_several(tmp_path):
    for name in ("one", "two"):
        write_photo(tmp_path / name / "images/a.jpg", TRAIN_RED)
        write_mask(tmp_path / name / "masks/a.png", [3] * 6)
        write_text(tmp_path / name / "classes.json", '{"3": "cat"}')
        write_text(tmp_path / name / "validation.txt", "")
    assert [s.name for s in open_dataset("folder", tmp_path)] == ["one", "two"]
    (two,) = open_dataset("folder", tmp_path / "two")
    assert two.name == "two"
    check(two, ["cat"] * 6, None)
