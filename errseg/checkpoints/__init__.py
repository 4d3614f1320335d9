"""Checkpoints: names and files to models, and back.

Here live the weights files and the configuration they carry, the released checkpoints and the Hub
they lie on, and torch's compiler. A name or a path in, a network out: nothing here knows a photo
or a word, nor what a model is used for.
"""
