"""Training: from photos with masks to weights.

Here live a run with its settings, crops, losses and words, and what makes weights of weights:
pseudo labels and averages. Nothing here is needed to use a model, and nothing measures one.
"""
