"""Starting the page: its looks, and the limits of a public server."""

import importlib.util
import os

import gradio as gr
from starlette.middleware import Middleware

from errseg.demo.backend.cores import share_cores
from errseg.demo.backend.memory import share_arenas
from errseg.demo.backend.places import LONGEST_LINE, MOST_UNHEARD
from errseg.demo.backend.static_files import styles
from errseg.demo.page.layout import Demo
from errseg.demo.page.panels import shared_script
from errseg.demo.serve.address import check_address
from errseg.demo.serve.gate import Gate
from errseg.demo.serve.sessions import SharedConfig
from errseg.errors import InputError

LARGEST_UPLOAD = "20mb"
MOST_SESSIONS = 100
"""Visitors of whom Gradio remembers what their page shows: a quarter of a megabyte each, and what
they were sent last. 10,000, its default, would fill the memory. Who is forgotten asks anew."""
THREADS = LONGEST_LINE + MOST_UNHEARD + 40
"""Of the server's: questions that wait sleep in one each, and 40, Gradio's number, do the rest."""


def theme() -> gr.themes.Base:
    """Calm colours and the system's own fonts: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_md,
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"),
        font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        body_text_color_subdued="*neutral_500",  # the default's grey is too pale to read
        block_info_text_color="*neutral_500",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        slider_color="*primary_600",
        # A tick, and the box around where there is none, that can be told from their ground.
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_700",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_border_color_selected="*primary_700",
        checkbox_border_color_selected_dark="*neutral_400",
    )


def serve_demo(
    demo: Demo,
    host: str | None = None,
    port: int | None = None,
    public_link: bool = False,
    block: bool = True,
    mcp: bool = False,
    login: tuple[str, str] | None = None,
    root_path: str | None = None,
) -> str:
    """Serve a page from `create_demo` until it is stopped, and return its local address.

    Args:
        demo: the page.
        host: Gradio's default, this machine only, if None.
        port: the first free one from 7860 if None.
        public_link: make one through Gradio's servers.
        block: False to come back while the page is served by threads.
        mcp: also offer the endpoints as tools of the Model Context Protocol.
        login: name and password without which nothing is shown or answered.
        root_path: where a proxy shows the page, if that isn't its address' root.

    Raises:
        InputError: the page can't be served at this address, or what MCP needs isn't installed.
    """
    check_address(host, port)
    share_arenas()
    share_cores()
    if mcp and importlib.util.find_spec("mcp") is None:  # Gradio would go on without it
        raise InputError('MCP needs optional packages; install them: pip install "gradio[mcp]"')
    # Photos are the visitors' own; 6.16 doesn't know the argument yet, but nor any history.
    os.environ["GRADIO_RUN_HISTORY"] = "False"
    doors = {"page": demo.page, "mcp": mcp, "login": login is not None}
    demo.service.prepare()
    demo.page.default_config = SharedConfig.of(demo.page)
    demo.page.queue(api_open=False)  # how long it may get is `backend.places`' to say
    _, url, _ = demo.page.launch(
        server_name=host,
        server_port=port,
        share=public_link,
        prevent_thread_lock=True,
        theme=theme(),
        css_paths=styles(),
        head=shared_script(),
        footer_links=["api", "settings"],
        max_file_size=LARGEST_UPLOAD,
        show_error=False,
        ssr_mode=False,
        mcp_server=mcp,
        auth=login,
        root_path=root_path,
        enable_monitoring=False,
        max_threads=THREADS,
        state_session_capacity=MOST_SESSIONS,
        app_kwargs={
            "middleware": [Middleware(Gate, listeners=demo.listeners, **doors)],
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
    )
    # Now, and not before: torch's import would keep the server from answering Gradio's first call,
    # and the page from being there. Meanwhile it holds Python's lock, half a second at a time.
    demo.service.start()
    if block:
        demo.page.block_thread()
    return url
