"""What this is, in ten lines."""

import gradio as gr

from errseg.config import ARXIV, PAPER

METHOD = f"""
**ERR-Seg** ([arXiv {ARXIV}]({PAPER})) labels every pixel of a photo with one of the words you \
type. The words need not be known in training: this is open-vocabulary semantic segmentation.

1. An image tower embeds every pixel and a text tower embeds every class, in one space.
2. **HSM**, the hierarchical semantic module: the cosine of each pixel and each class, at strides \
16 and 32. These are the *cost maps*.
3. **CRM**, the channel reduction module: each stride-16 pixel votes for its top K classes; the P \
classes with the most votes are kept. It has no weights.
4. **ESCF** fuses the kept classes' maps: **SFM** lets each class attend over space, **CFM** lets \
each pixel attend over the classes. Image and text features guide it.
5. **GUD**, the gradual upsampling decoder, brings the maps to stride 4.
6. The best class wins the pixel; below the threshold it is *none of these*.

Why drop classes? **Proposition 1**: attention that goes to classes that are not in the photo is \
lost for those that are. The attention panel measures it, with and without CRM.

The models read English. They understand names of things, with an adjective or without: not places \
("on the left"), counts ("the second dog"), comparisons, negation ("not a cat"), or other scripts.

The attention shown is the network's own: ESCF runs again on the classes that CRM kept for the \
masks. Nothing is estimated. Hovering, hiding classes and probability maps run in your browser.
"""
LIMITS = """
**errseg-lite**, the model that ships with the code, is small (38 MB, EfficientNet-Lite2 and \
MiniLM) and trained on few photos, so that the page runs anywhere. It knows everyday things and \
surroundings, misses small and rare ones, and confuses neighbours. Judge the method by the \
published models, which are fetched from the Hub when they are first asked for: choose them under \
*More* after *Look for released models*, or start the app with `python app.py --model errseg-base` \
or `errseg-large`.

A page like this of your own, a Space on the Hub, is one command's work: the README has it.

Your photos stay on this server for at most an hour and are used for nothing else. Nothing that \
you download carries the photo's EXIF data.
"""


def build_about_tab() -> None:
    """Lay out the tab."""
    gr.Markdown(METHOD)
    gr.Markdown(LIMITS)
