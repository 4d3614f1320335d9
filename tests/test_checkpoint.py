"""What a run writes: whole or not at all, and a log that knows no step twice."""

import numpy as np
import pytest
import torch
from PIL import Image

from errseg.checkpoints.whole_files import write_whole
from errseg.errors import InputError
from errseg.training.checkpoint import (
    CHECKPOINT,
    LOG,
    append_to_log,
    cut_log,
    load_checkpoint,
    plot_losses,
    read_log,
    save_checkpoint,
)


def test_a_file_is_replaced_only_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    write_whole(path, lambda partial: partial.write_text("first"))

    def fail_halfway(partial):
        assert path.read_text() == "first", "the old one stands while the new one is written"
        partial.write_text("sec")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fail_halfway)
    assert path.read_text() == "first"
    write_whole(path, lambda partial: partial.write_text("third"))
    assert path.read_text() == "third"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    assert load_checkpoint(tmp_path) is None
    state = {"step": 3, "trained": [torch.randn(3)], "settings": {"held_out": ("cat",)}}
    save_checkpoint(tmp_path, state)
    found = load_checkpoint(tmp_path)
    assert torch.equal(found.pop("trained")[0], state.pop("trained")[0])
    assert found == state


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"version https://git-lfs"])
def test_a_file_that_is_no_checkpoint_gets_a_sentence(tmp_path, content):
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint.pt is no checkpoint of a run"):
        load_checkpoint(tmp_path)


def test_a_log_is_cut_to_what_the_checkpoint_knows(tmp_path):
    cut_log(tmp_path, 0)  # none yet
    assert not (tmp_path / LOG).exists()
    for step in range(1, 6):
        append_to_log(tmp_path, {"step": step, "cost": 1 / step})
    with (tmp_path / LOG).open("a") as log:
        log.write('{"step": 6, "co')  # killed while it was written
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3, 4, 5]
    cut_log(tmp_path, 3)
    append_to_log(tmp_path, {"step": 4, "cost": 0.1})
    assert [line["cost"] for line in read_log(tmp_path)] == [1, 1 / 2, 1 / 3, 0.1]


def columns_of_ink(path, colour):
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return np.flatnonzero((np.abs(picture - colour).max(axis=2) < 40).any(axis=0))


def test_the_plot_draws_every_loss_over_its_own_steps(tmp_path):
    blue, orange = (31, 119, 180), (255, 127, 14)  # matplotlib's first two
    for step in range(1, 101):
        late = {"logits": 2 - step / 100} if step > 50 else {}
        append_to_log(tmp_path, {"step": step, "cost": 1.0, **late, "seconds": 9.0})
    plot_losses(tmp_path, tmp_path / "losses.png")
    first, second = (columns_of_ink(tmp_path / "losses.png", c) for c in (blue, orange))
    assert np.ptp(first) > 600
    assert second.min() > first.min() + 300
    plot_losses(tmp_path / "empty", tmp_path / "none.pdf")
    assert (tmp_path / "none.pdf").read_bytes().startswith(b"%PDF")
