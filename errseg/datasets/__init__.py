"""Datasets: photos with masks, read from the disk.

A reader a layout; each gives the same `SegmentationSet`. For training and for measuring alike, so
nothing here knows a model, torch, or what a label teaches.
"""
