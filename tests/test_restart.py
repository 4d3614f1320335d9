"""A page that another run of the server gave out is told that its photo is gone."""

import dataclasses

import pytest

from errseg.demo.backend.models import Models
from errseg.demo.page.layout import create_demo
from errseg.demo.page.shown import Shown
from errseg.errors import InputError


@pytest.fixture(scope="module")
def page():
    return create_demo(Models("errseg-lite", "cpu")).page


def shown_state(page):
    (state,) = (b for b in page.blocks.values() if isinstance(getattr(b, "value", None), Shown))
    return state


def test_what_a_session_begins_with_answers_no_click(page):
    """Gradio begins an unknown session, as after a restart, with the state's first value."""
    first = shown_state(page).value
    with pytest.raises(InputError, match="started again"):
        _ = first.asked
    assert dataclasses.replace(first, opened=True).asked == first.request


def test_opening_the_page_makes_it_answer(page):
    state = shown_state(page)
    (opens,) = (fn for fn in page.fns.values() if fn.name == "follow_link")
    assert state in opens.outputs
    request = type("Request", (), {"query_params": {}})()
    updates = opens.fn(request)
    assert next(v for k, v in updates.items() if k is state).opened
    broken = type("Request", (), {"query_params": {"kept": "many", "classes": "sky"}})()
    assert next(v for k, v in opens.fn(broken).items() if k is state).opened
