"""The paper's Table III for one device, and what bounds it: what `benchmark --everything` measures.

A section is measured by itself, so that one that fails, for want of memory above all, leaves the
others. Nothing here needs a network, nor weights but random ones: they change no time.
"""
