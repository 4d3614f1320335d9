"""The paper's tables, measured: a module a table, each from sets of photos to frozen figures.

`measure` runs those that are asked for; `report` and `plots` lay them out beside `paper`, the
figures that the paper has.
"""
