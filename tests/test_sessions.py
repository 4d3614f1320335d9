"""What Gradio remembers of a visitor's page is what it would remember by itself, begun at once."""

import copy

import gradio as gr
import pytest
from gradio.blocks import BlocksConfig
from gradio.components import Component
from gradio.state_holder import SessionState

from errseg.demo.backend.models import Models
from errseg.demo.page.layout import create_demo
from errseg.demo.serve.sessions import SharedConfig


@pytest.fixture(scope="module")
def page():
    return create_demo(Models("errseg-lite")).page


def described(config):
    return {key: config.config_for_block(key, [], block) for key, block in config.blocks.items()}


def test_a_visitor_s_page_is_described_as_by_gradio(page):
    own = page.default_config
    assert type(own) is BlocksConfig
    shared = SharedConfig.of(page)
    for _ in range(2):  # told anew, and as it is remembered
        assert described(copy.copy(shared)) == described(copy.copy(own))
    assert shared.fns is own.fns
    assert shared.blocks is own.blocks


def test_elements_are_asked_once_for_all_visitors(page, monkeypatch):
    monkeypatch.setattr(page, "default_config", SharedConfig.of(page))
    asked = []
    get_config = Component.get_config
    monkeypatch.setattr(
        Component, "get_config", lambda self, *more: asked.append(self) or get_config(self, *more)
    )
    SessionState(page)
    first = len(asked)
    SessionState(page)
    assert first > 20
    assert len(asked) == first


def test_what_one_visitor_sees_is_not_told_of_another_s_page(page, monkeypatch):
    monkeypatch.setattr(page, "default_config", SharedConfig.of(page))
    one, other = SessionState(page), SessionState(page)
    key, box = next((k, b) for k, b in page.blocks.items() if isinstance(b, gr.Textbox))
    before = other.config_values[key]["props"]["value"]
    one._update_value_in_config(key, "mine")
    assert one.config_values[key]["props"]["value"] == "mine"
    assert other.config_values[key]["props"]["value"] == before
    one[key] = gr.Textbox("new", label="changed", render=False)
    one._update_config(key)
    assert one.config_values[key]["props"]["label"] == "changed"
    assert SessionState(page).config_values[key]["props"]["label"] == box.label
