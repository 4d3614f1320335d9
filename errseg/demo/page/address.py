"""What links the page tells: its script makes them whole, from the address it was opened at."""

from collections.abc import Callable

from errseg.demo.backend.examples import Example
from errseg.demo.backend.links import link_to
from errseg.demo.backend.request import Request
from errseg.demo.backend.service import Service
from errseg.demo.page.events import served


def page_links(
    examples: tuple[Example, ...], service: Service
) -> Callable[[Request, float | None], dict[str, str]]:
    """Make what tells the link to a question and the threshold of its answer, see `link_to`."""
    names = {served(example.path): example.name for example in examples}
    names |= {str(example.path): example.name for example in examples}

    def link(request: Request, threshold: float | None) -> dict[str, str]:
        named = service.models.named(request).changed(threshold=threshold)
        return link_to(named, names.get(str(request.photo)), service.models.first)

    return link
