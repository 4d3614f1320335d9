"""The quick attacks, each of them on the same app unless it needs its own; CI runs them."""

import pytest

from attack.app import running_app, scratch
from attack.command import ATTACKS, run

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def app():
    with scratch() as folder, running_app(folder) as app:
        yield app


@pytest.mark.parametrize("name", ATTACKS)
def test_it_holds(name, request):
    app = None if ATTACKS[name].own else request.getfixturevalue("app")
    for figures in run(name, app, quick=True):
        assert figures.complaint == ""
        assert figures.holds
