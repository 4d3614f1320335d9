"""Inference: a photo and words to a label for every pixel.

Here live the predictor, the one place between the network and all who use it, how a photo and a
vocabulary get into the network, how its logits become labels, and all that is remembered between
two calls. It gets a model and does not ask where it came from; it draws and prints nothing.
"""
