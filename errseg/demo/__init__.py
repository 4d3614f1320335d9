"""The demo, a page in the browser; `app.py` starts it.

``page.layout.create_demo`` builds it and ``serve.serve_demo`` serves it. These know Gradio, what is
in ``backend`` does not. Importing any of it starts nothing.
"""
