"""One knob over several values."""

from errseg.demo.backend.sweep import check_values


def test_sweep_values_are_read_as_typed():
    assert check_values("P", "8, 2,2 ,50", 6) == ("P", [2, 6])
    assert check_values("K", [3, 1], 6) == ("K", [1, 3])
