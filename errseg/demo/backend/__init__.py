"""The demo without its page: a checked question in, answers as plain data out.

Here live what a visitor may ask, the service that answers, the models it offers, and the data that
the panels draw. Nothing here imports Gradio, so all of it is tested without a browser.
"""
