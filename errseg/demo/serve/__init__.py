"""The page on an address: what a public server lets in, what it looks at first, and what it shuts.

``server.serve_demo`` starts it. Every request comes through ``gate.Gate``, which asks ``doors``
whether there is such a door here and ``messages`` whether a question has the form of one.
"""
