"""Clicks on the panels below the picture: cost maps of a class, and what pixels attend to."""

import dataclasses

import gradio as gr

from errseg.demo.backend import view
from errseg.demo.backend.attended import MOST_ATTENDED
from errseg.demo.backend.live_attention import ONE_ANSWER
from errseg.demo.backend.service import Service
from errseg.demo.page.events import AT_ONCE, COMPUTES, answered, refused_in, sent
from errseg.demo.page.shown import SegmentTab
from errseg.errors import InputError


def add_look_inside_events(tab: SegmentTab, service: Service) -> None:
    """Connect the panels with the server; they ask about what is shown, not what was typed."""

    @answered(tab.attention_message)
    def pin_pixel(shown, event: gr.EventData):
        """Remember the pixel that files and other answers are to have the attention of."""
        pixel = (sent(event, "x", int), sent(event, "y", int))
        if None in pixel or min(pixel) < 0:
            raise InputError("Give the query pixel as two whole numbers, x and y.")
        return {tab.shown: dataclasses.replace(shown, pixel=pixel)}

    @refused_in(tab.queries, lambda sentence: view.as_html(view.refused_queries(sentence)))
    def ask_queries(shown, event: gr.EventData):
        """Send what the browser computes the attention of further classes from."""
        classes, without = sent(event, "classes", list), sent(event, "without", bool)
        if not classes or not all(type(index) is int for index in classes):
            raise InputError("Name the classes to look for by their numbers.")
        classes = classes[:MOST_ATTENDED]
        answer = service.attention(shown.asked, None, bool(without), classes, ONE_ANSWER)
        return {tab.queries: view.as_html(view.queries(answer)[0])}  # the others are asked for then

    @answered(tab.cost_message)
    def ask_cost(shown, event: gr.EventData):
        index = sent(event, "index", int)
        maps = service.cost_view(shown.asked, -1 if index is None else index)
        name = shown.asked.vocabulary.names[index]
        return {tab.cost: view.as_html(view.cost(name, maps)), tab.cost_message: ""}

    clicks = {**COMPUTES, "trigger_mode": "always_last", "show_progress": "minimal"}
    tab.attention.select(pin_pixel, tab.shown, [tab.shown, tab.attention_message], **AT_ONCE)
    tab.attention.want(ask_queries, tab.shown, tab.queries, **clicks)
    tab.ranking.select(ask_cost, tab.shown, [tab.cost, tab.cost_message], **clicks)
