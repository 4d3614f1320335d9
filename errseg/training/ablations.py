"""The switches of the paper's ablations (Tables V to XI): how a model's head is changed."""

import dataclasses
from collections.abc import Sequence

from errseg.config import HeadConfig, ModelConfig
from errseg.errors import InputError

HEAD = "head."
ABLATIONS = {
    "head.hsm=false": "without HSM: cost maps at stride 16 only",
    "head.crm=false": "without CRM: every class is kept",
    "head.sfm=false": "without SFM",
    "head.cfm=false": "without CFM",
    "head.escf=false": "without ESCF: neither SFM nor CFM",
    "head.gud=false": "without GUD: the head at stride 16, then a bilinear resize",
    "head.spatial_reduction=1": "without SSR in SFM (4: more of it)",
    "head.class_reduction=1": "without CSR in CFM (4: more of it)",
    "head.star=false": "an MLP in place of the star operation",
    "head.image_guidance=false": "SFM without the image's guidance",
    "head.text_guidance=false": "CFM without the text's guidance",
    "head.image_guidance_stride16=false": "SFM guided by stride 32 alone",
    "head.decoder_guidance_stride16=false": "GUD guided at strides 8 and 4 alone",
    "head.stop_gradient=false": "GUD's guidance at stride 16 trains the image tower too",
    "head.cost_kernel=3": "another kernel of the cost embedding (3, 5, 7)",
    "head.mix_kernel=3": "another kernel of SFM's depth-wise convolution (3, 5, 7)",
}
"""What ``train --set`` is for -> what the network is then. beta, K and P have options."""
BOTH = {"escf": ("sfm", "cfm")}  # what is no field of its own
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def with_head(config: ModelConfig, changes: Sequence[str]) -> ModelConfig:
    """Return a configuration with some of its head's fields changed.

    Args:
        config: of the model.
        changes: as ``--set`` takes them, "head.cfm=false"; any field of `HeadConfig`, and
            ``head.escf`` for SFM and CFM together.

    Raises:
        InputError: there is no such field, or it has no such value.
    """
    values = {}
    for change in changes:
        name, equals, text = change.partition("=")
        field = name.strip().removeprefix(HEAD)
        names = BOTH.get(field, (field,))
        known = {f.name: getattr(config.head, f.name) for f in dataclasses.fields(HeadConfig)}
        if not name.strip().startswith(HEAD) or not equals or not known.keys() >= set(names):
            raise InputError(
                f"{change!r} sets nothing; give head.FIELD=VALUE, where FIELD is one of "
                f"{', '.join((*BOTH, *known))}."
            )
        values |= {n: _read(change, text.strip().lower(), known[n]) for n in names}
    try:
        return dataclasses.replace(config, head=dataclasses.replace(config.head, **values))
    except ValueError as error:
        raise InputError(f"Such a head can't be built: {error}.") from None


def _read(change: str, text: str, present: object) -> object:
    """Read a value of the present one's type."""
    try:
        if isinstance(present, bool):
            return WORDS[text]
        if isinstance(present, tuple):
            return tuple(int(part) for part in text.split(","))
        return type(present)(text)
    except (KeyError, ValueError):
        raise InputError(
            f"{change!r} has a value that can't be; at present it is {present!r}."
        ) from None
