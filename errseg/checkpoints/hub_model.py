"""A network that can be put on the Hub, with what its page there should say."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from errseg.checkpoints.hub import OWN_FILE
from errseg.checkpoints.hub_address import HubAddress
from errseg.checkpoints.hub_errors import upload_sentence
from errseg.checkpoints.model_card import model_card
from errseg.errors import InputError
from errseg.network.model import ERRSeg

if TYPE_CHECKING:  # takes a fifth of a second
    from huggingface_hub import ModelCard

CONFIG_FILE = "config.json"
CARD_FILE = "README.md"


class HubModel(ERRSeg, ABC):
    """ERR-Seg with what huggingface_hub's `ModelHubMixin` gives models, for files of ours.

    What is written is our file, with its configuration and checksum in it, a copy of the
    configuration for the Hub, which nothing here reads, and a model card.
    """

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write a file of ours."""

    def save_pretrained(
        self,
        save_directory: Path | str,
        *,
        repo_id: str = "",
        scores: Path | str | None = None,
        license: str | None = None,
    ) -> None:
        """Write weights, configuration and model card to a folder; a card that is there stays.

        Args:
            save_directory: is made if it isn't there.
            repo_id: where it will lie, for the card.
            scores: for the card, see `push_to_hub`.
            license: likewise.

        Raises:
            InputError: the scores can't be read.
        """
        folder = Path(save_directory)
        card = self.generate_model_card(repo_id=repo_id, scores=scores, license=license)
        self.save(folder / OWN_FILE)
        config = json.dumps(dataclasses.asdict(self.config), indent=2) + "\n"
        (folder / CONFIG_FILE).write_text(config, encoding="utf-8")
        if not (folder / CARD_FILE).exists():
            card.save(folder / CARD_FILE)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        scores: Path | str | None = None,
        license: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        commit_message: str = "Upload an ERR-Seg model",
    ) -> str:
        """Upload weights, configuration and model card, and return the commit's address.

        Args:
            repo_id: ``owner/name``; it is made if it isn't there.
            scores: what ``python -m errseg evaluate --json`` wrote of this model.
            license: the Hub's short name of the weights' licence.
            private: whether a repository that is made is; the owner's default if None.
            token: the Hub's, if not the one of ``hf auth login``.
            branch: to write to, the main one by default.
            create_pr: propose it instead of writing.
            commit_message: what the repository's history says.

        Raises:
            InputError: the scores can't be read, or the Hub doesn't take it.
        """
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, repo_id=repo_id, scores=scores, license=license)
            try:
                repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
                return api.upload_folder(
                    repo_id=repo_id,
                    folder_path=folder,
                    revision=branch,
                    create_pr=create_pr,
                    commit_message=commit_message,
                )
            except Exception as error:  # no network, no right to write: a dozen kinds
                raise InputError(upload_sentence(error, repo_id)) from None

    def generate_model_card(
        self,
        *,
        repo_id: str = "",
        scores: Path | str | None = None,
        license: str | None = None,
    ) -> ModelCard:
        """Write the model card; arguments as for `push_to_hub`.

        Raises:
            InputError: the scores can't be read.
        """
        origin = HubAddress.read(self.weights_origin)
        came_from = origin.repository if origin else ""
        return model_card(self.config, repo_id, came_from, scores, license)
