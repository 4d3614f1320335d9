"""The benchmarks as tiny trees, for the tests of what reads them: photos of six squares."""

import numpy as np
from PIL import Image
from scipy.io import savemat

SIZE = (16, 24)  # rows and columns: 2 x 3 squares of 8 pixels
TRAIN_RED, VALIDATION_GREEN = (200, 30, 30), (30, 200, 30)
COCO_MASKS = ([0, 10, 12, 89, 91, 181], [255, 26, 27, 30, 66, 69])
CAMVID_COLOURS = {
    "Sky": (128, 128, 128),
    "Archway": (192, 0, 128),
    "Column_Pole": (192, 192, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "ParkingBlock": (64, 192, 128),
    "Void": (0, 0, 0),
    "VegetationMisc": (192, 192, 0),
    "TrafficLight": (0, 64, 64),
    "Fence": (64, 64, 128),
    "Truck_Bus": (192, 128, 192),
    "Child": (192, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
}


def write_photo(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], colour).save(path)


def squares(values, dtype=np.uint8):
    """A mask of 2 x 3 squares, each of one value."""
    return np.kron(np.array(values, dtype).reshape(2, 3), np.ones((8, 8), dtype)).astype(dtype)


def write_mask(path, values, dtype=np.uint8, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(squares(values, dtype))
    if palette:
        image.putpalette([255 - i // 3 for i in range(768)])
    image.save(path)


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_coco(root, photos="", masks="stuffthingmaps_trainval2017"):
    for part, colour, values in zip(
        ("train2017", "val2017"), (TRAIN_RED, VALIDATION_GREEN), COCO_MASKS, strict=True
    ):
        write_photo(root / photos / part / f"{part}_a.jpg", colour)
        write_mask(root / masks / part / f"{part}_a.png", values)


def write_ade150(root):
    for part, colour, stem, values in (
        ("training", TRAIN_RED, "ADE_train_00000001", [1, 2, 3, 150, 0, 0]),
        ("validation", VALIDATION_GREEN, "ADE_val_00000001", [0, 9, 18, 21, 13, 150]),
    ):
        write_photo(root / "ADEChallengeData2016/images" / part / f"{stem}.jpg", colour)
        write_mask(root / "ADEChallengeData2016/annotations" / part / f"{stem}.png", values)


def full_mask(path, values):
    """An ADE20K mask of ids: the id's upper part ten to one in red, its lower in green."""
    ids = squares(values, np.int32)
    parts = [ids // 256 * 10 + 3, ids % 256, np.full_like(ids, 77)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack(parts, axis=-1).astype(np.uint8)).save(path)


def write_ade847(root):
    home = root / "ADE20K_2021_17_01/images/ADE"
    for part, colour, scene, stem, values in (
        # wall 2978, building 312, sky 2420, bag 95, traveling bag 97, handbag 96
        ("training", TRAIN_RED, "urban/street", "ADE_train_1", [2978, 312, 2420, 95, 97, 96]),
        # adding machine 3148, aircraft carrier 3144; 1, 3688 and 0 aren't among the 847
        ("validation", VALIDATION_GREEN, "home/attic", "ADE_val_1", [3148, 3144, 1, 3688, 0, 6]),
    ):
        write_photo(home / part / scene / f"{stem}.jpg", colour)
        full_mask(home / part / scene / f"{stem}_seg.png", values)
        # A photo's parts and single objects lie beside it.
        full_mask(home / part / scene / f"{stem}_parts_1.png", [5] * 6)
        write_photo(home / part / scene / stem / "instance_000.jpg", colour)


def write_context(root, train_list="ImageSets/Main/train.txt", val_list="ImageSets/Main/val.txt"):
    home = root / "VOCdevkit/VOC2010"
    for stem, colour, values in (
        ("2008_000001", TRAIN_RED, [2, 9, 397, 459, 1, 458]),
        ("2008_000002", VALIDATION_GREEN, [260, 115, 31, 0, 415, 25]),
    ):
        write_photo(home / "JPEGImages" / f"{stem}.jpg", colour)
        (home / "trainval").mkdir(exist_ok=True)
        savemat(home / "trainval" / f"{stem}.mat", {"LabelMap": squares(values, np.uint16)})
    write_photo(home / "JPEGImages/2007_000032.jpg", (0, 0, 0))  # VOC has more photos
    write_text(home / train_list, "2008_000001\n")
    write_text(home / val_list, "2008_000002\n")
    return home


def write_voc(root, below="VOCdevkit/VOC2012"):
    home = root / below
    for stem, colour, values in (
        ("2007_000001", TRAIN_RED, [0, 1, 20, 255, 11, 15]),
        ("2007_000002", VALIDATION_GREEN, [20, 16, 0, 255, 1, 2]),
    ):
        write_photo(home / "JPEGImages" / f"{stem}.jpg", colour)
        write_mask(home / "SegmentationClass" / f"{stem}.png", values, palette=True)
    write_photo(home / "JPEGImages/2009_000009.jpg", TRAIN_RED)  # not segmented
    write_text(home / "ImageSets/Segmentation/train.txt", "2007_000001\n")
    write_text(home / "ImageSets/Segmentation/val.txt", "2007_000002\n")
    return home


def write_coloured_camvid(root):
    colours = [*CAMVID_COLOURS.values()]
    for part, colour, shown in (
        ("train", TRAIN_RED, colours[:6]),
        ("val", VALIDATION_GREEN, colours[6:]),
    ):
        write_photo(root / part / f"{part}_1.png", colour)
        mask = np.kron(np.array(shown).reshape(2, 3, 3), np.ones((8, 8, 1))).astype(np.uint8)
        (root / f"{part}_labels").mkdir()
        Image.fromarray(mask).save(root / f"{part}_labels" / f"{part}_1_L.png")
    rows = [f"{name}, {r}, {g}, {b}" for name, (r, g, b) in CAMVID_COLOURS.items()]
    (root / "class_dict.csv").write_text("\n".join(["name,r,g,b", *rows]))
