"""Gradio's memory of each visitor's page, begun quickly."""

from __future__ import annotations

from typing import Any, Self

import gradio as gr
from gradio.blocks import BlocksConfig


class SharedConfig(BlocksConfig):
    """What a page consists of, described once for all visitors.

    Gradio describes it anew to itself whenever somebody asks for the first time, on the thread that
    everybody's messages go through: 50 ms for some 300 elements, a second and more for a crowd.
    """

    @classmethod
    def of(cls, page: gr.Blocks) -> Self:
        """Make one of what a page consists of; the page has to be complete."""
        config = cls(page)
        vars(config).update(vars(page.default_config))
        config._described = {}
        return config

    def __copy__(self) -> Self:
        """Copy it for a visitor, whose page may change."""
        new = type(self)(self.root_block)
        vars(new).update(vars(super().__copy__()))
        new._described = self._described
        return new

    def config_for_block(self, _id: int, rendered_ids: list[int], block: Any, *more: Any) -> dict:
        """Describe an element, as Gradio does; arguments are Gradio's."""
        if any(more) or self.root_block.blocks.get(_id) is not block:
            return super().config_for_block(_id, rendered_ids, block, *more)
        if _id not in self._described:
            self._described[_id] = super().config_for_block(_id, rendered_ids, block)
        known = self._described[_id]
        return {**known, "props": {**known["props"]}}  # Gradio notes a visitor's values there
