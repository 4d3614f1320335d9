"""Addresses of weights on the Hub: ``hf://owner/name[/file][@revision]``."""

import re
from dataclasses import dataclass
from typing import Self

from errseg.errors import InputError

SCHEME = "hf://"
WEB = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/?#]+/[^/?#]+)"
    r"(?:/(?:blob|resolve|raw)/[^/?#]+(/[^?#]+))?"
)
"""Addresses that are copied from a browser: of a repository, or of a file in it."""
NAME = re.compile(r"[\w-][\w.-]*")  # of an owner and of a repository
SHOWN = 100  # characters of an address, in a sentence


@dataclass(frozen=True)
class HubAddress:
    """Where weights lie on the Hub."""

    repository: str  # owner/name
    file: str = ""  # its path there; empty: the repository's only weights
    revision: str | None = None  # a commit, tag or branch; None is the newest of the main branch

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.repository, self.file)))
        return f"{SCHEME}{place}{f'@{self.revision}' if self.revision else ''}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what a person gave for a model; None if it doesn't begin like an address.

        The revision may also stand behind the repository, as the Hub's own tools write it.

        Raises:
            InputError: it begins like one and names no file or repository.
        """
        if page := WEB.match(text):
            own = SCHEME + page[1] + (page[2] or "")
            raise InputError(
                f"Weights on the Hub aren't given by the address of a page; give {own:.{SHOWN}}."
            )
        if not text.startswith(SCHEME):
            return None
        owner, name, *file = f"{text.removeprefix(SCHEME).removeprefix('models/')}//".split("/", 2)
        path = file[0].strip("/")
        name, _, revision = name.partition("@")
        if not revision:
            path, _, revision = path.partition("@")
        parts = [*path.split("/"), *revision.split("/")]
        named = NAME.fullmatch(owner) and NAME.fullmatch(name) and "\\" not in text
        if not named or {".", ".."} & {*parts}:
            raise InputError(
                f"{text:.{SHOWN}} is no address on the Hub; it has the form "
                f"{SCHEME}owner/name, {SCHEME}owner/name/file or {SCHEME}owner/name/file@revision."
            )
        return cls(f"{owner}/{name}", path, revision or None)
