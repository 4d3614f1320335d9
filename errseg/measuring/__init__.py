"""Measuring: how good a model is, how sure it may be, and how fast.

Here live evaluation and its figures, calibration, the benchmark, and the network as the paper
draws it, which the benchmark and the tests compare with. Nothing here is needed to use or to train
a model.
"""
