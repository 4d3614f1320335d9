"""Starts the demo: ``python app.py [--model NAME|PATH] [--host ADDRESS] [--port N] [--share]``.

Where there is no command line, as on Spaces, ERRSEG_MODEL, ERRSEG_DEVICE, ERRSEG_PRECISION,
ERRSEG_COMPILE=1, ERRSEG_MCP=1 and ERRSEG_AUTH stand for options, and Gradio's GRADIO_SERVER_NAME,
GRADIO_SERVER_PORT and GRADIO_ROOT_PATH for the address. Any Python can parse this file, so that one
that is too old gets a sentence.
"""

import argparse
import os

from errseg.python_version import check_python


def main():
    """Read the options and serve the page until it is stopped."""
    check_python()
    from errseg.commands.options import add_question_options, add_shared
    from errseg.demo.backend.budget import SECONDS, Budget
    from errseg.demo.serve.address import asked_port, check_root, read_login
    from errseg.errors import InputError

    parser = argparse.ArgumentParser(description="The ERR-Seg demo, in the browser.")
    add_shared(parser, "--model", "--device")
    add_question_options(parser, "precision")
    add_shared(parser, "--compile")
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free from 7860)")
    parser.add_argument(
        "--budget",
        type=float,
        default=os.environ.get("ERRSEG_BUDGET", SECONDS),
        metavar="SECONDS",
        help="what one question may take at most (%(default)s)",
    )
    parser.add_argument("--share", action="store_true", help="make a public link")
    parser.add_argument(
        "--auth",
        default=os.environ.get("ERRSEG_AUTH"),
        metavar="USER:PASSWORD",
        help="ask visitors for them; others may read a command line, so better set ERRSEG_AUTH",
    )
    parser.add_argument(
        "--root-path",
        default=os.environ.get("GRADIO_ROOT_PATH"),
        metavar="PATH",
        help="where a proxy shows the page, such as /demo",
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help='offer the endpoints as MCP tools; needs pip install "gradio[mcp]"',
    )
    variables = {name: "ERRSEG_" + name.upper() for name in ("model", "device", "precision")}
    given = {name: os.environ[v] for name, v in variables.items() if v in os.environ}
    parser.set_defaults(
        compile=os.environ.get("ERRSEG_COMPILE") == "1",
        mcp=os.environ.get("ERRSEG_MCP") == "1",
    )
    parser.set_defaults(**given)
    args = parser.parse_args()
    try:
        port, login = asked_port(args.port), read_login(args.auth)
        root_path = check_root(args.root_path)

        from errseg.demo.backend.models import Models  # Gradio takes seconds to import
        from errseg.demo.page.layout import create_demo
        from errseg.demo.serve.server import serve_demo

        models = Models(args.model, args.device, args.precision, args.compile)
        budget = Budget(seconds=args.budget)
        more = {"mcp": args.mcp, "login": login, "root_path": root_path}
        serve_demo(create_demo(models, budget), args.host, port, args.share, **more)
    except InputError as error:
        parser.exit(2, str(error) + "\n")
    except OSError as error:  # the folder for uploads, above all
        parser.exit(2, "The page can't be served: " + str(error) + ".\n")


if __name__ == "__main__":
    main()
