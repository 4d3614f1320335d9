"""The figure's maps share one scale."""

import numpy as np

from errseg.pictures.figure import Heat, heat_ranges, write_figure


def test_a_figure_s_maps_share_one_scale(tmp_path, answer):
    generator = np.random.default_rng(1)
    small, large, cosines = generator.random((3, 4, 8))
    heats = [
        Heat(0, "with CRM", "attention", small / 10),
        Heat(1, "without CRM", "attention", large),
        Heat(2, "cost", "cosine", cosines - 0.5),
    ]
    ranges = heat_ranges(heats)
    assert ranges["attention"] == (min(small.min() / 10, large.min()), large.max())
    assert ranges["cosine"] == (cosines.min() - 0.5, cosines.max() - 0.5)
    settings = (answer.photo, answer.result, answer.colors)
    pictures = []
    for name, shown in (("three.png", heats), ("one.png", heats[2:])):
        write_figure(tmp_path / name, *settings, shown, (3, 4))
        pictures.append((tmp_path / name).read_bytes())
    assert len(set(pictures)) == 2
