"""Weights files that were tampered with are noticed, each in one sentence and in time."""

import time

from attack.weights import COMMAND_RAN, tampered_files

from errseg.checkpoints.stored_config import OWN_ENDING, stored_config
from errseg.checkpoints.weights import load_model
from errseg.errors import InputError

SECONDS = 2.0
LONGEST = 1000  # characters of a sentence
FEWEST = 60


def said_of(work, path) -> str:
    """What is said of a file; empty if nothing is."""
    try:
        work(path)
    except InputError as error:
        return str(error)
    return ""


def test_every_tampered_file_is_noticed(tmp_path):
    tried, unnoticed, slow = 0, [], []
    for what, path in tampered_files(tmp_path):
        start = time.process_time()
        said = said_of(load_model, path)
        tried += 1
        slow += [what] if time.process_time() - start > SECONDS else []
        one_line = said.endswith(".") and "\n" not in said and len(said) < LONGEST
        unnoticed += [] if one_line else [(what, said)]
        if path.suffix == OWN_ENDING:  # the page asks for the threshold before the network
            assert len(said_of(stored_config, path)) < LONGEST, what
        assert not (tmp_path / COMMAND_RAN).exists(), what
    assert unnoticed == []
    assert slow == []
    assert tried >= FEWEST
