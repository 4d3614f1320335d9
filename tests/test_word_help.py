"""Help with the words."""

import pytest

from errseg.commands.segment import chosen_vocabulary
from errseg.demo.backend import word_help
from errseg.errors import InputError
from errseg.words.vocabulary import load_vocabulary, parse_classes, suggested_kept_classes


def test_the_lint_line_names_what_to_look_at():
    said = " ".join(word_help.lint("sofa, couch, tree, trees, cat, cat, sky"))
    assert "Left out as repeated: cat" in said
    assert "sofa and couch; tree and trees" in said
    assert word_help.lint("") == [
        "No class was given; type at least one word, such as: dog, grass, sky."
    ]
    assert word_help.lint("dog | puppy, sky") == []
    many = word_help.lint(load_vocabulary("ade150").text)[0]
    assert many == "150 classes; the paper's P is 32."


def test_words_are_appended_once():
    assert word_help.append("dog, Sky", parse_classes("sky, grass")) == "dog, Sky, grass"
    assert word_help.append("", parse_classes("sky, grass")) == "sky, grass"
    text = word_help.append_background("dog, sky")
    assert text.startswith("dog, sky, wall, floor")
    assert text.count("sky") == 1
    assert word_help.append_background(text) == text
    assert len(parse_classes(word_help.append("unicorn", load_vocabulary("voc20")))) == 21
    with pytest.raises(InputError, match="at most 1,000"):
        word_help.append(",".join(map(str, range(900))), load_vocabulary("ade847"))


def test_p_is_the_paper_s_unless_it_was_chosen():
    assert word_help.kept_for(None, 150) == 32
    assert word_help.kept_for(None, 6) == suggested_kept_classes(6) == 6
    assert word_help.kept_for(17, 150) == 17
    assert word_help.kept_for(17, 4) == 4  # and 17 again for more words


def test_both_doors_extend_words_alike():
    """The page's Append and the command line's --vocabulary."""
    words, voc = "couch | sofa, sky", load_vocabulary("voc20")
    appended = parse_classes(word_help.append(words, voc))
    assert len(appended) == 21
    assert appended.names == chosen_vocabulary(words, "voc20").names
