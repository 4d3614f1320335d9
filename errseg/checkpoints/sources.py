"""Where a model's weights lie: what ships, a file, a folder, the Hub.

A person gives a model by a name of `list_models`, a path, a folder with one weights file, or an
address ``hf://owner/name[/file][@revision]``.
"""

from dataclasses import dataclass
from pathlib import Path

from errseg.checkpoints.hub import (
    ENDINGS,
    OWN_FILE,
    Progress,
    fetch,
    find_offered,
    found_in_cache,
    released_address,
    stored_metadata,
)
from errseg.checkpoints.hub_address import SCHEME, HubAddress
from errseg.config import EMBEDDED, list_models, model_config
from errseg.errors import InputError


@dataclass(frozen=True)
class Weights:
    """A weights file on this machine."""

    path: Path
    origin: str = ""  # the address of the very file, where it came from the Hub
    variant: str = ""  # the released variant that it is to be, where somebody asked for one


def find_weights(
    model: str | Path,
    progress: Progress | None = None,
    fresh: bool = False,
    again: bool = False,
    token: str | None = None,
) -> Weights:
    """Find a model's weights on this machine, or download them from the Hub.

    Args:
        model: see above.
        progress: is told how far a download is; huggingface_hub's bar shows it anyway.
        fresh: ask the Hub for the newest, although something is here.
        again: download it although it is here.
        token: the Hub's, if not the one that somebody logged in with.

    Raises:
        InputError: there is no such model, or its weights can't be fetched.
    """
    source = _source(model)
    if isinstance(source, Path):
        return Weights(source)
    variant = "" if source.file else _variant(model)
    fetched = fetch(source, variant or None, fresh, again, progress, token)
    return Weights(fetched.path, str(fetched.address), variant)


def weights_here(model: str | Path) -> Path | None:
    """Find a model's weights without asking the Hub; None if they have to be fetched.

    Raises:
        InputError: there is no such model.
    """
    source = _source(model)
    if isinstance(source, Path):
        return source
    return found_in_cache(source, _variant(model) or None)


def check_offered(model: str | Path) -> None:
    """Ask the Hub whether it has a model's weights, unless they are here.

    Raises:
        InputError: there is no such model, or its weights can't be fetched.
    """
    if weights_here(model) is None:
        find_offered(_source(model), _variant(model) or None)


def offered_metadata(model: str) -> dict[str, str] | None:
    """Read the metadata of our file on the Hub without its tensors; None of another kind of file.

    Raises:
        InputError: there is no such file, or the Hub doesn't answer.
    """
    return stored_metadata(_source(model))


def model_name(model: str | Path) -> str:
    """Name a model in short: without the folders of its path, and an address as it is.

    Raises:
        InputError: there is no such model.
    """
    source, text = _source(model), str(model)
    return source.name if isinstance(source, Path) and text not in EMBEDDED else text


def _variant(model: str | Path) -> str:
    return str(model) if str(model) in list_models() else ""


def _source(model: str | Path) -> Path | HubAddress:
    """Tell a file's path from an address on the Hub; a released variant lies there too.

    Raises:
        InputError: there is no such model.
    """
    text = str(model)
    if isinstance(model, str) and (address := HubAddress.read(model)) is not None:
        if address.file and not address.file.endswith(ENDINGS):
            raise InputError(f"{address} must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
        return address
    path = Path(model)
    if text in list_models():
        return EMBEDDED.get(text) or released_address()
    if path.is_dir():
        return _in_folder(path)
    if path.suffix not in ENDINGS:
        hint = f" For a model on the Hub write {SCHEME}{text}." if _like_repository(text) else ""
        try:
            model_config(text)
        except InputError as error:
            raise InputError(f"{error}{hint}") from None
    if not path.is_file():
        where = f" in {path.parent.name}" if path.parent.name else ""
        raise InputError(f"There is no weights file {path.name}{where}.")
    return path


def _in_folder(folder: Path) -> Path:
    files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())
    chosen = [path for path in files if path.name == OWN_FILE] or files
    if len(chosen) != 1:
        listed = ", ".join(path.name for path in chosen)
        what = f"several weights files, {listed}: give one" if chosen else "no weights file"
        raise InputError(f"{folder} holds {what}.")
    return chosen[0]


def _like_repository(text: str) -> bool:
    try:
        return text.count("/") == 1 and HubAddress.read(SCHEME + text) is not None
    except InputError:
        return False
