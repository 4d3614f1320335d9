"""Starts the demo: ``python app.py [--model NAME|PATH] [--host ADDRESS] [--port N] [--share]``.

Where there is no command line, as on Spaces, ERRSEG_MODEL, ERRSEG_DEVICE, ERRSEG_PRECISION,
ERRSEG_COMPILE=1 and ERRSEG_MCP=1 stand for options, and Gradio's GRADIO_SERVER_NAME and
GRADIO_SERVER_PORT for the address.
"""

import argparse
import os


def main() -> None:
    """Read the options and serve the page until it is stopped."""
    parser = argparse.ArgumentParser(description="The ERR-Seg demo, in the browser.")
    parser.add_argument(
        "--model",
        default=os.environ.get("ERRSEG_MODEL", "errseg-lite"),
        metavar="NAME|PATH",
        help="a model's name, a .safetensors file or a released .pth (errseg-lite)",
    )
    parser.add_argument(
        "--device",
        default=os.environ.get("ERRSEG_DEVICE", "auto"),
        help="auto, cpu, cuda, ... (auto)",
    )
    parser.add_argument(
        "--precision",
        default=os.environ.get("ERRSEG_PRECISION", "auto"),
        help="what the network computes in: auto, float32, bfloat16 or float16 (auto)",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        default=os.environ.get("ERRSEG_COMPILE") == "1",
        help="let torch compile the network, on a CUDA GPU (no)",
    )
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free from 7860)")
    parser.add_argument("--share", action="store_true", help="make a public link")
    parser.add_argument(
        "--mcp",
        action="store_true",
        default=os.environ.get("ERRSEG_MCP") == "1",
        help='offer the endpoints as MCP tools; needs pip install "gradio[mcp]"',
    )
    args = parser.parse_args()

    from errseg.demo import create_demo, serve  # Gradio takes seconds to import
    from errseg.errors import InputError

    try:
        demo = create_demo(args.model, args.device, args.precision, args.compile)
        serve(demo, args.host, args.port, args.share, mcp=args.mcp)
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
