"""A question is checked, whatever the browser sent."""

import pytest

from errseg.demo.backend.request import check_options, check_request
from errseg.errors import InputError
from errseg.options import Options, knobs


@pytest.mark.parametrize("precision", ["double", None, ["auto"], 7])
def test_a_precision_that_is_none_gets_a_sentence(precision):
    with pytest.raises(InputError, match=r"There is no precision .*; give auto, float32"):
        check_request("photo.jpg", "cat", precision=precision)


def test_what_is_left_alone_is_the_options_own():
    assert check_request("photo.jpg", "cat").options == Options()
    nothing = check_options({"threshold": None, "input_size": None})
    assert nothing == {"threshold": None, "input_size": None}
    assert check_options({"input_size": 0}) == check_options({"input_size": ""})
    assert check_options({"threshold": 0}) == {"threshold": 0.0}


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("kept_classes", (0, None, "many", 1001), "Classes kept (P) must be a number from 1 to 1,"),
        ("votes_per_pixel", (0, 11, [3], float("inf")), "Votes per pixel (K) must be a number"),
        ("votes_per_pixel", (2.5, "1.5"), "Votes per pixel (K) must be a whole number, not"),
        ("beta", (None, -0.1, float("nan")), "Beta must be a number from 0 to 1, not"),
        ("threshold", ("", 2), "The threshold must be a number from 0 to 1, not"),
        ("input_size", (127, 1025, "wide"), "The input size must be a number from 128 to 1,024"),
    ],
)
def test_a_number_that_cannot_be_used_gets_a_sentence(name, values, sentence):
    for value in values:
        with pytest.raises(InputError) as refused:
            check_request("photo.jpg", "cat", **{name: value})
        assert str(refused.value).startswith(sentence)


def test_numbers_come_as_the_network_takes_them():
    given = {"kept_classes": 8.0, "votes_per_pixel": "2", "beta": 1, "threshold": "0.5"}
    options = check_request("photo.jpg", "cat", **given).options
    assert options == Options(8, 2, 1.0, 0.5)
    for name in given:
        assert type(getattr(options, name)) is knobs()[name].kind
