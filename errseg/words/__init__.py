"""Words: what a person typed, the benchmarks' class lists, and what names mean of each other.

Here live vocabularies (`vocabulary`, `lists/`), WordNet's nouns (`wordnet`), how a word that a text
tower doesn't know is read (`expansion`), and which name is a kind, a part or a synonym of which
(`relations`). Text in, text out: nothing here knows a photo, a network or torch, and every room but
the network may ask.
"""
