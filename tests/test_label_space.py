"""What labels teach about names, against hand-written expectations and a loop over pixels."""

import pytest
import torch
from photo_sets import write_sets

from errseg.datasets.folders import load_sets
from errseg.datasets.sets import BACKGROUND, IGNORE
from errseg.training.label_space import LabelSpace, Sample
from errseg.words.relations import Relation


@pytest.fixture
def sets(tmp_path):
    return {s.name: s for s in load_sets(write_sets(tmp_path))}


@pytest.fixture
def space(sets):
    return LabelSpace(list(sets.values()))


def _listed(sample_set):
    return frozenset(sample_set.class_names)


def _table(space, listed, names):
    """Return {(label, name): relation} by asking label by label."""
    labels = [*range(len(space.names)), BACKGROUND, IGNORE]
    return {
        (space.names[label] if label >= 0 else label, name): row[label].item()
        for name, row in zip(names, space.relations(names, listed), strict=True)
        for label in labels
    }


def test_what_labels_teach(space, sets):
    asked = ["airplane", "person", "pedestrian", "sky", "shirt", "wall", "car", "vehicle"]
    yes, no, unknown = Relation.POSITIVE, Relation.NEGATIVE, Relation.UNKNOWN

    things = _table(space, _listed(sets["things"]), asked)
    assert things["aeroplane", "airplane"] == yes  # a synonym
    assert things["aeroplane", "vehicle"] == yes  # a kind
    assert things["aeroplane", "sky"] == no  # labelled as another thing
    assert things["person", "pedestrian"] == unknown  # some persons are
    assert things["pedestrian", "person"] == yes
    assert things["person", "shirt"] == unknown
    assert things[BACKGROUND, "airplane"] == no  # listed under another spelling
    assert things[BACKGROUND, "pedestrian"] == no  # no person, so no pedestrian
    assert things[BACKGROUND, "sky"] == unknown  # not listed
    assert things[BACKGROUND, "shirt"] == unknown  # may hang there
    assert things[BACKGROUND, "vehicle"] == unknown  # other vehicles aren't listed
    assert {things[IGNORE, name] for name in asked} == {unknown}

    parts = _table(space, _listed(sets["parts"]), asked)
    assert parts["wheel", "car"] == yes
    assert parts[BACKGROUND, "car"] == unknown


def test_a_table_has_the_label_of_every_value_that_a_mask_may_hold(space, sets):
    table = space.lookup(sets["things"])
    assert len(table) == 256
    named = {0: BACKGROUND, 1: space.index["aeroplane"], 2: space.index["person"]}
    assert {v: t for v, t in enumerate(table.tolist()) if t != IGNORE} == named
    scenes = {v: t for v, t in enumerate(space.lookup(sets["scenes"]).tolist()) if t != IGNORE}
    assert scenes == {1: space.index["road"], 2: space.index["pedestrian"], 3: space.index["sky"]}


def test_the_names_of_one_list_exclude_each_other(space, sets):
    walls = _table(space, _listed(sets["walls"]), ["wall", "brick wall", "metal", "spoon"])
    assert walls["wall", "wall"] == Relation.POSITIVE
    assert walls["brick wall", "wall"] == Relation.NEGATIVE  # as a benchmark's argmax has it
    assert walls["wall", "brick wall"] == Relation.NEGATIVE
    assert walls["metal", "wall"] == Relation.NEGATIVE
    assert walls["metal", "spoon"] == Relation.UNKNOWN  # not of the list
    elsewhere = _table(space, _listed(sets["things"]), ["wall", "brick wall"])
    assert elsewhere["brick wall", "wall"] == Relation.POSITIVE
    assert elsewhere["wall", "brick wall"] == Relation.UNKNOWN


@pytest.mark.parametrize("name", ["things", "scenes", "walls"])
def test_targets_equal_a_loop_over_pixels(space, sets, name):
    asked = ["aeroplane", "airplane", "person", "road", "zebra", "wall"]
    labels = [*range(len(space.names)), BACKGROUND, IGNORE]
    generator = torch.Generator().manual_seed(0)
    label = torch.tensor(labels)[torch.randint(0, len(labels), (7, 9), generator=generator)]
    sample = Sample(torch.zeros(3, 7, 9), label, _listed(sets[name]))
    unsafe = torch.zeros(len(asked), len(space.names), dtype=torch.bool)
    unsafe[4, ::2] = True
    target, valid = space.targets(label, asked, sample, unsafe)
    table = _table(space, sample.listed, asked)
    assert target.shape == valid.shape == (len(asked), 7, 9)
    for p, asked_name in enumerate(asked):
        for y in range(7):
            for x in range(9):
                value = int(label[y, x])
                said = table[space.names[value] if value >= 0 else value, asked_name]
                if said == Relation.NEGATIVE and value >= 0 and unsafe[p, value]:
                    said = Relation.UNKNOWN
                assert valid[p, y, x] == (said != Relation.UNKNOWN)
                assert target[p, y, x] == (said == Relation.POSITIVE)
    again = space.targets(label, asked, sample)[1]  # what was unsafe once is not for ever
    assert again[4].sum() > valid[4].sum()


def test_no_classes_asked_gives_empty_targets(space, sets):
    label = torch.zeros(32, 32, dtype=torch.long)
    sample = Sample(torch.zeros(3, 32, 32), label, _listed(sets["things"]))
    target, valid = space.targets(label, [], sample)
    assert target.shape == valid.shape == (0, 32, 32)
