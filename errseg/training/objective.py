"""What a recipe makes of a model and some sets: what is trained, on what, and how it is judged."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.utils.data import Dataset

from errseg.network.model import ERRSeg
from errseg.training.config import Recipe


class Objective(nn.Module, ABC):
    """A recipe at work. `errseg.training.run.TrainingRun` asks it for the losses of a batch.

    It is a module so that DistributedDataParallel can stand around it.
    """

    model: ERRSeg
    recipe: Recipe
    data: Dataset  # of as many crops as the run takes; each a function of the seed and its index
    collate: ClassVar[Callable[[Sequence], Any]]  # crops -> a batch

    @abstractmethod
    def groups(self) -> list[dict]:
        """Choose what is trained, and freeze the rest: AdamW's groups, each with its "factor"."""

    @abstractmethod
    def learn(self) -> None:
        """Put the model into training mode, or those of its parts that train in it."""

    @abstractmethod
    def forward(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Compute the losses of a batch, to be added up, in some step of the run."""

    def stage(self, step: int) -> tuple[int, int]:
        """Return the first step of the learning rate's schedule, and the one after its last."""
        return 0, self.recipe.run.steps

    @abstractmethod
    def seen_words(self) -> set[str]:
        """Gather the words whose masks training sees, in lower case."""
