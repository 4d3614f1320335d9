"""Weights on the Hugging Face Hub: which there are, and fetching them.

Which of the released files is which variant is told by its size; by its tensors' shapes once it is
loaded (`errseg.checkpoints.weights`), as weights only. Its name doesn't count.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from errseg.checkpoints.hub_address import HubAddress
from errseg.checkpoints.hub_errors import check_room, hub_sentence, reason_of, within_patience
from errseg.errors import InputError

REPOSITORY = "lchen1019/ERR-Seg"
REVISION_VARIABLE = "ERRSEG_HUB_REVISION"
"""Environment variable with the commit of `REPOSITORY` to take."""
RELEASED_REVISION = ""
"""The commit that is taken without it, and the newest while this is empty: until somebody has
downloaded the checkpoints and seen that their figures are the paper's."""
RELEASED_SHA256: Mapping[str, str] = MappingProxyType({})
"""File name -> SHA-256 of the released checkpoints, as ``sha256sum`` prints it; `load_model`
compares them. Empty for the same reason."""
OWN_ENDING = ".safetensors"  # ending of the files that `save_model` writes
ENDINGS = (".pth", ".pt", OWN_ENDING)
OWN_FILE = "model.safetensors"  # what `push_to_hub` calls them
RELEASED_BYTES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "errseg-base": (755_413_480, 1_766_874_544),
        "errseg-large": (1_462_982_888, 3_612_207_280),
    }
)
"""Variant -> bytes of its float32 tensors, and with AdamW's two moments of those that train, as
detectron2 leaves both in a checkpoint of a training that has ended."""
PACKAGING = 1.05  # times its tensors that a file may be large at most: names, and what is counted
GIVEN_UP = 30.0  # seconds after which a question ends that nobody waits for any more
MB = 10**6

Progress = Callable[[int, int], None]
"""Is told the bytes that are there, and those that there will be."""


@dataclass(frozen=True)
class HubFile:
    """A weights file of a repository."""

    path: str  # in the repository
    size: int  # bytes

    @property
    def variant(self) -> str | None:
        """The released variant that its size tells, if any."""
        for variant, sizes in RELEASED_BYTES.items():
            if any(size <= self.size <= size * PACKAGING for size in sizes):
                return variant
        return None


@dataclass(frozen=True)
class Fetched:
    """A weights file from the Hub that is on this machine."""

    path: Path
    address: HubAddress  # with the commit that it is of


def released_address() -> HubAddress:
    """Return where the released checkpoints lie, without a file."""
    revision = os.environ.get(REVISION_VARIABLE) or RELEASED_REVISION or None
    return HubAddress(REPOSITORY, revision=revision)


def not_asked(reason: str) -> str:
    """Say that nobody knows which models are released, and why, in a few words."""
    return f"The Hub can't be asked for released models ({reason}); those that are here go on."


def released_models() -> dict[str, str]:
    """Ask the Hub for the released models: name -> what `load_model` takes, the largest first.

    A file whose size tells its variant has the variant's name, another one its own.

    Raises:
        InputError: the Hub doesn't answer, or the repository has no checkpoint.
    """
    address = released_address()
    try:
        files = _ask_for_weights(address)
    except Exception as error:  # as in `find_offered`
        raise InputError(not_asked(reason_of(error))) from None
    if not files:
        raise InputError(f"{REPOSITORY} holds no checkpoint.")
    named: dict[str, str] = {}
    for file in files:
        fitting = [other for other in files if file.variant and other.variant == file.variant]
        if _best(fitting) == [file]:
            named[file.variant] = file.variant
        else:
            named[file.path] = str(replace(address, file=file.path))
    return named


def find_offered(
    address: HubAddress, variant: str | None = None, token: str | None = None
) -> HubFile:
    """Ask the Hub for the file of an address, see `fetch`.

    Raises:
        InputError: the Hub doesn't answer in time, or has no such repository, revision or file.
    """
    try:
        offered = _ask_for_weights(address, token)
    except Exception as error:  # offline, no such revision, rate limits: a dozen kinds
        raise InputError(hub_sentence(error, address, variant or "")) from None
    return _choose(offered, address, variant)


def stored_metadata(address: HubAddress) -> dict[str, str] | None:
    """Read the metadata of our file on the Hub without its tensors; None of another kind of file.

    Raises:
        InputError: as `find_offered`.
    """
    from huggingface_hub import HfApi

    file = find_offered(address).path
    if not file.endswith(OWN_ENDING):
        return None
    asked = {"filename": file, "revision": address.revision}
    try:
        found = within_patience(
            lambda: HfApi().parse_safetensors_file_metadata(address.repository, **asked)
        )
    except Exception as error:  # as above
        raise InputError(hub_sentence(error, replace(address, file=file))) from None
    return found.metadata


def found_in_cache(address: HubAddress, variant: str | None = None) -> Path | None:
    """Find in the Hub's cache what is certain without the Hub; None if there isn't any.

    That is a file by its path, a variant by its size, or our own file, of the address' revision;
    without one, of what was the newest when it came. Arguments as for `fetch`.
    """
    here = _cached(address)
    if address.file or variant is None:
        fitting = [file for file in here if file.path == (address.file or OWN_FILE)]
    else:
        fitting = _best([file for file in here if file.variant == variant])
    return _path(address, fitting[0]) if len(fitting) == 1 else None


def fetch(
    address: HubAddress,
    variant: str | None = None,
    fresh: bool = False,
    again: bool = False,
    progress: Progress | None = None,
    token: str | None = None,
) -> Fetched:
    """Find weights in the Hub's cache on this machine, or download them.

    Args:
        address: where they lie.
        variant: where the address has no file, the released variant whose size it has.
        fresh: ask the Hub for the newest of the revision, although something is here.
        again: download it although it is here.
        progress: is told how far a download is; huggingface_hub's bar shows it anyway.
        token: the Hub's, if not the one that somebody logged in with.

    Raises:
        InputError: there are none, or they can't be fetched.
    """
    if not (fresh or again) and (path := found_in_cache(address, variant)):
        return _fetched(address, path)
    try:
        chosen = find_offered(address, variant, token)
    except InputError:
        here = _cached(address)
        if fresh or again or variant or address.file or len(here) != 1:
            raise
        return _fetched(address, _path(address, here[0]))
    return _download(replace(address, file=chosen.path), chosen.size, again, progress, token)


def _ask_for_weights(address: HubAddress, token: str | None = None) -> list[HubFile]:
    from huggingface_hub import HfApi

    def ask() -> list[HubFile]:
        info = HfApi(token=token).model_info(
            address.repository, revision=address.revision, timeout=GIVEN_UP, files_metadata=True
        )
        return [HubFile(file.rfilename, file.size or 0) for file in info.siblings or ()]

    return _weights_among(within_patience(ask))


def _choose(files: list[HubFile], address: HubAddress, variant: str | None) -> HubFile:
    listed = ", ".join(f"{file.path} ({file.size / MB:,.0f} MB)" for file in files) or "none"
    where = str(replace(address, file="FILE"))
    if address.file:
        fitting = [file for file in files if file.path == address.file]
        if not fitting:
            raise InputError(
                f"{address.repository} has no weights file {address.file}; it has {listed}."
            )
    elif variant is not None:
        fitting = _best([file for file in files if file.variant == variant])
        if len(fitting) != 1:
            size = f"{RELEASED_BYTES[variant][0] / MB:,.0f} MB, the size of {variant}"
            count = "no file of" if not fitting else f"{len(fitting)} files of"
            raise InputError(
                f"{address.repository} holds {count} {size}; it has {listed}: give one as {where}."
            )
    else:
        fitting = [file for file in files if file.path == OWN_FILE] or files
        if not fitting:
            endings = ", ".join(ENDINGS)
            raise InputError(f"{address.repository} holds no weights file ({endings}).")
        if len(fitting) > 1:
            raise InputError(
                f"{address.repository} holds several weights files, {listed}: give one as {where}."
            )
    return fitting[0]


def _best(fitting: list[HubFile]) -> list[HubFile]:
    """Leave out what also holds a training's state, where the weights alone are there as well."""
    variant = fitting[0].variant if fitting else None
    alone = [f for f in fitting if f.size <= RELEASED_BYTES[variant][0] * PACKAGING]
    return alone or fitting


def _download(
    address: HubAddress, size: int, again: bool, progress: Progress | None, token: str | None
) -> Fetched:
    import huggingface_hub
    from huggingface_hub import constants

    if HubFile(address.file, size) not in _cached(address):
        check_room(Path(constants.HF_HUB_CACHE), size, address.file)
    try:
        path = huggingface_hub.hf_hub_download(
            address.repository,
            address.file,
            revision=address.revision,
            force_download=again,
            token=token,
            tqdm_class=_bar(progress, size) if progress else None,
        )
    except Exception as error:  # as above, and what a disk says
        raise InputError(hub_sentence(error, address)) from None
    return _fetched(address, Path(path))


def _bar(progress: Progress, size: int) -> type:
    """Make a progress bar that also tells how many bytes are there."""
    from huggingface_hub.utils import tqdm

    furthest = 0  # of several bars, as there are where pieces are fetched that others have too

    class Bar(tqdm):
        done = 0

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal furthest
            self.done += int(n or 0)
            furthest = max(furthest, min(self.done, size))
            progress(furthest, size)
            return super().update(n)

    return Bar


def _cached(address: HubAddress) -> list[HubFile]:
    """List the weights files of an address' revision that lie in the Hub's cache."""
    snapshot = _snapshot(address)
    found = (path for path in snapshot.rglob("*") if path.is_file())
    return _weights_among(
        [HubFile(path.relative_to(snapshot).as_posix(), path.stat().st_size) for path in found]
    )


def _path(address: HubAddress, file: HubFile) -> Path:
    return _snapshot(address) / file.path


def _snapshot(address: HubAddress) -> Path:
    """Return the folder of an address' revision in the Hub's cache (its documented layout)."""
    folder, revision = _folder(address), address.revision or "main"
    reference = folder / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    return folder / "snapshots" / commit


def _folder(address: HubAddress) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{address.repository.replace('/', '--')}"


def _fetched(address: HubAddress, path: Path) -> Fetched:
    commit, *file = path.relative_to(_folder(address) / "snapshots").parts
    return Fetched(path, HubAddress(address.repository, "/".join(file), commit))


def _weights_among(files: list[HubFile]) -> list[HubFile]:
    found = [file for file in files if file.path.endswith(ENDINGS)]
    return sorted(found, key=lambda file: (-file.size, file.path))
