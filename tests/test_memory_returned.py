"""Memory that is handed back to the system."""

from errseg.demo.backend import memory


def test_many_small_questions_hand_back_as_a_large_one_does(monkeypatch):
    trims, returns = [], memory.Returns()
    monkeypatch.setattr(memory, "_trim", lambda: trims.append)
    for _ in range(5):
        returns.after(memory.WORTH_IT // 4 + 1)
    assert trims == [0]
    returns.after(memory.WORTH_IT)
    assert trims == [0, 0]
