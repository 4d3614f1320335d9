"""Lists as people paste them are read as what they are, and as themselves again."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errseg.words.vocabulary import MAX_CLASSES, Vocabulary, parse_classes

PASTED = {
    '["temple", "sky", "tree"]': ("temple", "sky", "tree"),
    "['temple', 'sky', 'tree']": ("temple", "sky", "tree"),
    "names: ['cat', 'dog']": ("cat", "dog"),
    "names:\n  0: person\n  1: bicycle": ("person", "bicycle"),
    "id,name\n0,cat\n1,dog": ("cat", "dog"),
    "1. temple\n2. sky\n3. tree": ("temple", "sky", "tree"),
    "- temple\n- sky\n- tree": ("temple", "sky", "tree"),
    "• temple\n• sky": ("temple", "sky"),
    '"door, double door", wall': ("door, double door", "wall"),
    '{"cat": 1, "dog": 2}': ("cat", "dog"),
    "temple . sky . tree .": ("temple", "sky", "tree"),
    "temple. sky. tree.": ("temple", "sky", "tree"),
    "a cat. a remote control.": ("a cat", "a remote control"),
    "#temple #sky #tree": ("temple", "sky", "tree"),
    "temple, sky, and tree": ("temple", "sky", "tree"),
    "temple, sky, tree.": ("temple", "sky", "tree"),
    "cat, dog, etc.": ("cat", "dog"),
    "cat, dog, ...": ("cat", "dog"),
    "cat, dog, and so on": ("cat", "dog"),
    "St. Bernard": ("St. Bernard",),
    "St. Bernard, poodle": ("St. Bernard", "poodle"),
    "Mt. Everest. St. Bernard.": ("Mt. Everest", "St. Bernard"),
    "Dr. Pepper can": ("Dr. Pepper can",),
    "U.S. flag": ("U.S. flag",),
    "temple. sky": ("temple", "sky"),
    "temple.\nsky.\ntree.": ("temple", "sky", "tree"),
    "classes: cat, dog": ("cat", "dog"),
    "Classes = cat; dog": ("cat", "dog"),
    'classes="dog, sofa | couch, sky"': ("dog", "sofa", "sky"),
    '--classes "dog, grass, sky"': ("dog", "grass", "sky"),
    '--classes "names: [cat, dog]"': ("cat", "dog"),
    "• temple • sky •  tree": ("temple", "sky", "tree"),
    "temple · sky · tree": ("temple", "sky", "tree"),
    '"temple, sky, tree"': ("temple", "sky", "tree"),
    "'temple, sky'": ("temple", "sky"),
    "nc: 2\nnames:\n- cat\n- traffic light\ndownload: x": ("cat", "traffic light"),
    "train: a\nnames:\n  0: person\n  1: car\n# end": ("person", "car"),
    "names:\n  - 'cat'\n  - \"dog\"": ("cat", "dog"),
    "names: cat": ("cat",),
    "1) temple 2) sky 3) tree": ("temple", "sky", "tree"),
    "1. temple, 2. sky, 3. tree": ("temple", "sky", "tree"),
    "0: cat, 1: dog": ("cat", "dog"),
    "1.temple\n2.sky": ("temple", "sky"),
    "(1) temple\n(2) sky": ("temple", "sky"),
    "[1] temple\n[2] sky": ("temple", "sky"),
    "a) temple\nb) sky": ("temple", "sky"),
    "a. temple\nb. sky": ("temple", "sky"),
    "1 - temple\n2 - sky": ("temple", "sky"),
    "1: temple\n2: sky": ("temple", "sky"),
    "① temple\n② sky": ("temple", "sky"),
    "1、temple\n2、sky": ("temple", "sky"),
    "1. temple": ("temple",),
    "1. temple,\n2. sky,": ("temple", "sky"),
    "* temple\n* sky": ("temple", "sky"),
    "\u2013 temple\n\u2013 sky": ("temple", "sky"),
    "+ temple\n+ sky": ("temple", "sky"),
    "-temple\n-sky": ("temple", "sky"),
    "- [ ] temple\n- [x] sky": ("temple", "sky"),
    "✓ temple\n✓ sky": ("temple", "sky"),
    "> temple\n> sky": ("temple", "sky"),
    "• temple • sky • tree": ("temple", "sky", "tree"),
    "temple • sky • tree": ("temple", "sky", "tree"),
    "temple · sky": ("temple", "sky"),
    "- temple - sky - tree": ("temple", "sky", "tree"),
    "- temple": ("temple",),
    "* temple * sky": ("temple", "sky"),
    "- temple, sky": ("temple", "sky"),
    "Things to find:\n- temple\n- sky": ("temple", "sky"),
    "Classes:\n1. temple\n2. sky": ("temple", "sky"),
    "Classes:\ntemple\nsky": ("temple", "sky"),
    '"temple", "sky", "tree"': ("temple", "sky", "tree"),
    "'temple', 'sky'": ("temple", "sky"),
    "“temple”, “sky”": ("temple", "sky"),
    "«temple», «sky»": ("temple", "sky"),
    "`temple`, `sky`": ("temple", "sky"),
    '"temple" "sky"': ("temple", "sky"),
    "'temple' 'sky tree'": ("temple", "sky tree"),
    "„temple“, „sky“": ("temple", "sky"),
    "\u2018temple\u2019, \u2018sky\u2019": ("temple", "sky"),
    '"temple"\n"sky"': ("temple", "sky"),
    '"temple",\n"sky",': ("temple", "sky"),
    '"sofa" | "couch", sky': ("sofa", "sky"),
    '"temple, sky, tree': ("temple", "sky", "tree"),
    "hot-air balloon, lord's table, '90s car": ("hot-air balloon", "lord's table", "'90s car"),
    '12" pizza, sky': ('12" pizza', "sky"),
    "<b>dog</b>, {x}": ("<b>dog</b>", "{x}"),
    "0,cat\n1,dog": ("cat", "dog"),
    "cat,0\ndog,1": ("cat", "dog"),
    "0\tcat\n1\tdog": ("cat", "dog"),
    "0 cat\n1 dog": ("cat", "dog"),
    "0: cat\n1: dog": ("cat", "dog"),
    "cat: 0\ndog: 1": ("cat", "dog"),
    "cat: 0, dog: 1": ("cat", "dog"),
    "0, cat, 1, dog": ("cat", "dog"),
    "id;name\n1;cat\n2;dog": ("cat", "dog"),
    "name,id\ncat,0\ndog,1": ("cat", "dog"),
    "class_id,class_name,color\n0,cat,#ff0000\n1,dog,#00ff00": ("cat", "dog"),
    "name,r,g,b\ncat,1,2,3\ndog,4,5,6": ("cat", "dog"),
    "64 128 64 Animal\n192 0 128\tArchway": ("Animal", "Archway"),
    "| id | name |\n|---|---|\n| 0 | cat |\n| 1 | dog |": ("cat", "dog"),
    "| name |\n|---|\n| cat |\n| dog |": ("cat", "dog"),
    "name\ncat\ndog": ("cat", "dog"),
    "class\ncat": ("cat",),
    "Label\ncat\ndog": ("cat", "dog"),
    "bottle\nlabel": ("bottle", "label"),
    "label, bottle": ("label", "bottle"),
    "item {\n  id: 1\n  name: 'cat'\n}\nitem {\n  id: 2\n  name: 'dog'\n}": ("cat", "dog"),
    'item {\n name: "/m/01"\n id: 1\n display_name: "Cat"\n}': ("Cat",),
    "```\ncat\ndog\n```": ("cat", "dog"),
    '```json\n["cat", "dog"]\n```': ("cat", "dog"),
    "# my classes\ncat\ndog": ("cat", "dog"),
    "#cat\n#dog": ("cat", "dog"),
    "#sky, #tree": ("sky", "tree"),
    "#traffic_light": ("traffic light",),
    '{"names": {"0": "person", "1": "car"}, "nc": 2}': ("person", "car"),
    '[{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]': ("cat", "dog"),
    "CLASSES = ('cat', 'dog')": ("cat", "dog"),
    "{'cat', 'dog'}": ("cat", "dog"),
    "(cat, dog)": ("cat", "dog"),
    "[cat, dog]": ("cat", "dog"),
    "{0: 'cat', 1: 'dog'}": ("cat", "dog"),
    '["sofa | couch", "sky"]': ("sofa", "sky"),
    '["door, double door"]': ("door, double door",),
    '"door, double door",': ("door, double door",),
    "['cat' 'dog']": ("cat", "dog"),
    '[\n  "cat",\n  "dog"\n]': ("cat", "dog"),
    "classes = [\n    'cat',  # 0\n    'dog',\n]": ("cat", "dog"),
    "id2label = {0: 'cat', 1: 'dog'}": ("cat", "dog"),
    '["cat", "dog"': ("cat", "dog"),
    "crane (bird), dog": ("crane (bird)", "dog"),
    "(toy) car, dog": ("(toy) car", "dog"),
    "C-3PO, R2D2": ("C-3PO", "R2D2"),
    "7up, 4x4, 3D printer": ("7up", "4x4", "3D printer"),
    "1, 2, 3": ("1", "2", "3"),
    "dog, cat\ngrass, sky": ("dog", "cat", "grass", "sky"),
    "2 dogs\n3 cats": ("2 dogs", "3 cats"),
    "class 1\nclass 2": ("class 1", "class 2"),
    "temple\nsky\ntree": ("temple", "sky", "tree"),
    "sofa | couch, sky": ("sofa", "sky"),
    "dog - the animal, cat": ("dog - the animal", "cat"),
    "1. temple\n\n2. sky": ("temple", "sky"),
    "\ufeffid,name\r\n0,cat\r\n1,dog\r\n": ("cat", "dog"),
    "1.\ttemple\n2.\tsky": ("temple", "sky"),
    "NaN, inf, None": ("NaN", "inf", "None"),
    "null": ("null",),
    "background, and foreground": ("background", "foreground"),
    "and, or": ("and", "or"),
    "labels: [cat, dog]": ("cat", "dog"),
    "text prompt: cat. dog.": ("cat", "dog"),
    "cat.jpg": ("cat.jpg",),
    "temple.sky.tree": ("temple.sky.tree",),
    "temple。sky。tree。": ("temple", "sky", "tree"),
    "cat|dog|tree": ("cat",),
    "a photo of a cat": ("a photo of a cat",),
    "cat ; dog ; tree": ("cat", "dog", "tree"),
    "cat,dog,\n": ("cat", "dog"),
    "0 : cat\n1 : dog": ("cat", "dog"),
    "0 - cat\n1 - dog": ("cat", "dog"),
    "0=cat\n1=dog": ("cat", "dog"),
    "0=cat, 1=dog": ("cat", "dog"),
    '0: "cat"\n1: "dog"': ("cat", "dog"),
    "cat=0\ndog=1": ("cat", "dog"),
    "cat 0.93, dog 0.4": ("cat", "dog"),
    "**temple**, **sky**": ("temple", "sky"),
    "- **temple**\n- **sky**": ("temple", "sky"),
}
"""What is typed or pasted -> the classes that are meant."""

PLAIN = {
    "dog, cat\ngrass, sky": ("dog", "cat", "grass", "sky"),
    "hot-air balloon, lord's table, '90s car": ("hot-air balloon", "lord's table", "'90s car"),
    "7up, 4x4, 3D printer": ("7up", "4x4", "3D printer"),
    "2 dogs\n3 cats": ("2 dogs", "3 cats"),
    "class 1\nclass 2": ("class 1", "class 2"),
    "St. Bernard, poodle": ("St. Bernard", "poodle"),
    "crane (bird), dog": ("crane (bird)", "dog"),
    '12" pizza, sky': ('12" pizza', "sky"),
    "time: 10, x": ("time: 10", "x"),
    "bottle\nlabel": ("bottle", "label"),
}
"""Texts that look like a list of another kind, and are none."""


@pytest.mark.parametrize("typed", PASTED)
def test_a_pasted_list_is_read_as_what_it_is(typed):
    vocabulary = parse_classes(typed)
    assert vocabulary.names == PASTED[typed]
    again = parse_classes(vocabulary.text)
    assert again == vocabulary
    assert again.notices == ()


@pytest.mark.parametrize("typed", PLAIN)
def test_a_plain_list_stays_as_it_is(typed):
    vocabulary = parse_classes(typed)
    assert vocabulary.names == PLAIN[typed]
    assert vocabulary.notices == ()


@pytest.mark.parametrize(
    ("typed", "notice"),
    [
        ('["temple", "sky"]', "Read as a list in brackets."),
        ("id,name\n0,cat\n1,dog", "Read as a table."),
        ("1. temple\n2. sky", "Read as a numbered list."),
        ("- temple\n- sky", "Read as a list with bullets."),
        ("temple . sky .", "Read as names parted by full stops."),
        ("#temple #sky", "Read as hashtags."),
        ("nc: 2\nnames: ['cat', 'dog']", "Read as what stands under “names”."),
        ("name\ncat\ndog", "Left out: the head “name”."),
        ("cat, dog, etc.", "Left out: “etc.”."),
        ("# mine\ncat\ndog", "Left out: comments, such as “# mine”."),
    ],
)
def test_how_a_list_was_read_is_said(typed, notice):
    assert parse_classes(typed).notices == (notice,)


def test_synonyms_may_stand_in_any_list():
    for typed in (
        '["sofa | couch", "sky"]',
        '[["sofa", "couch"], ["sky"]]',
        "1. sofa | couch\n2. sky",
    ):
        assert [p.synonyms for p in parse_classes(typed).classes] == [("sofa", "couch"), ("sky",)]


EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True)
NAME = st.from_regex(r"[a-z]{3,8}( [a-z]{3,8})?", fullmatch=True).filter(
    lambda name: (
        not {*name.split()} & {"and", "or", "etc", "name", "names", "class", "label", "labels"}
        and name
        not in (
            "so on",
            "classes",
            "category",
            "categories",
            "null",
            "none",
            "nil",
            "true",
            "false",
            "nan",
            "undefined",
        )
    )
)
NAMES = st.lists(NAME, min_size=2, max_size=8, unique=True)
WAYS = {
    "plain": ", ".join,
    "lines": "\n".join,
    "JSON": json.dumps,
    "Python": repr,
    "Python's dict": lambda names: repr(dict(enumerate(names))),
    "JSON of ids": lambda names: json.dumps({name: place for place, name in enumerate(names)}),
    "COCO": lambda names: json.dumps(
        {"categories": [{"id": i, "name": n, "supercategory": "x"} for i, n in enumerate(names)]}
    ),
    "YAML": lambda names: "nc: 9\nnames:\n" + "".join(f"  {i}: {n}\n" for i, n in enumerate(names)),
    "YAML's list": lambda names: "names:\n" + "".join(f"- {name}\n" for name in names),
    "YAML in a line": lambda names: f"names: [{', '.join(names)}]",
    "CSV": lambda names: "id,name\n" + "\n".join(f"{i},{n}" for i, n in enumerate(names)),
    "CSV without a head": lambda names: "\n".join(f"{i},{n}" for i, n in enumerate(names)),
    "Markdown": lambda names: (
        "| id | name |\n|---|---|\n" + "\n".join(f"| {i} | {n} |" for i, n in enumerate(names))
    ),
    "numbers": lambda names: "\n".join(f"{i}. {n}" for i, n in enumerate(names, 1)),
    "numbers in a line": lambda names: " ".join(f"{i}) {n}" for i, n in enumerate(names, 1)),
    "bullets": lambda names: "\n".join(f"- {name}" for name in names),
    "bullets in a line": " • ".join,
    "full stops": lambda names: " . ".join(names) + " .",
    "quotation marks": lambda names: ", ".join(f'"{name}"' for name in names),
    "quotation marks of the command line": lambda names: f'"{", ".join(names)}"',
}
"""Way of writing a list -> a function that writes names in it."""


@pytest.mark.parametrize("way", WAYS)
@EXAMPLES
@given(NAMES)
def test_names_are_read_back_however_they_are_written(way, names):
    assert parse_classes(WAYS[way](names)).names == tuple(names)


@EXAMPLES
@given(NAMES)
def test_a_plain_list_is_read_without_a_word_about_it(names):
    assert parse_classes(", ".join(names)).notices == ()


MARKS = [
    *",;|\t\n\"'`“”„«»「」[](){}.:=#*+>-&0123",
    " and ",
    " or ",
    "etc",
    "...",
    " - ",
    "• ",
    "1. ",
    "a) ",
]
MARKS += ["names: ", "--classes ", "item {", "**", "no. ", "\u2013", "\u3002", "\u2460", "id,name"]
ODD_NAMES = st.lists(st.sampled_from(MARKS) | st.text("abc ", max_size=3), max_size=8).map("".join)


@settings(EXAMPLES, max_examples=300)
@given(st.lists(ODD_NAMES.filter(lambda n: n.strip(" |")), min_size=1, max_size=4))
def test_a_vocabulary_s_text_is_read_as_the_vocabulary(names):
    """Whatever marks of lists its names have."""
    vocabulary = parse_classes(names, limit=MAX_CLASSES)
    again = parse_classes(vocabulary.text, limit=MAX_CLASSES)
    assert isinstance(again, Vocabulary)
    assert again == vocabulary
    assert again.notices == ()
