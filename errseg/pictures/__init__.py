"""Pictures: results that a person looks at or takes away.

Here live the colours of classes, overlays and palette masks, names on them, the figure and the
contact sheet, and a result's files. Results in, pictures and files out: nothing here changes a
result, and no page is known.
"""
