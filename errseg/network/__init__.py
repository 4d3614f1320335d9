"""The network, the paper's figure: a box a file.

Here live the towers (`clip`, `lite`), HSM, CRM, ESCF and GUD, the guidance between them, what they
share (`layers`), what they attend to (`attention`), and `model`, the way through all of them.
Tensors in, tensors out: nothing here reads a photo or a weights file, keeps anything between two
calls, or knows who is asking.
"""
