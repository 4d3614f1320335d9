"""The demo's page: Gradio's components and events, a tab a module.

Here live the layout, the question, the tabs, the endpoints and the stored opening. What is computed
is asked of `errseg.demo.backend`; what a browser draws lies in `errseg/demo/static`.
"""
