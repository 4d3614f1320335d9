"""A stand-in for the package `spaces` on ZeroGPU, with what of it can go wrong.

Work runs in processes that are forked and kept, arguments and results are pickled, of an error only
the name of its type comes back, and CUDA must not start outside. The GPU of a lent process is the
CPU under another name.
"""

import multiprocessing
import os
import pickle
import types
from collections.abc import Callable, Iterator

import torch

FORK = multiprocessing.get_context("fork")
SECONDS_TO_END = 5


class GradioError(Exception):
    """What `spaces` raises, as Gradio has it."""

    def __init__(self, message: str, title: str):
        super().__init__(message)
        self.message, self.title = message, title


class LentGPU(types.ModuleType):
    """The module. It notes what it was asked for, and what happened where."""

    def __init__(self):
        super().__init__("spaces")
        self.durations: list[int] = []
        self.moves = FORK.Value("i", 0)  # models moved to the GPU, in whatever process
        self.touched: list[str] = []  # what tried to start CUDA in this process
        self.refusal: Exception | None = None
        self.forks: list[_Worker] = []
        self.keeps = True  # whether processes are kept for the next loan

    def GPU(self, duration: Callable[..., int]) -> Callable:
        return lambda task: _borrowing(self, task, duration)

    def start_cuda(self, *given) -> None:
        self.touched.append("CUDA")
        raise RuntimeError("CUDA started outside of a loan")

    def close(self) -> None:
        for worker in self.forks:
            worker.process.terminate()
            worker.process.join(SECONDS_TO_END)


class _Worker:
    def __init__(self, lender: LentGPU, task: Callable):
        self.arguments, self.results = FORK.SimpleQueue(), FORK.SimpleQueue()
        self.stopped = FORK.Event()
        self.process = FORK.Process(target=self._run, args=(lender, task), daemon=True)
        self.process.start()

    def _run(self, lender: LentGPU, task: Callable) -> None:
        moved = torch.nn.Module.to

        def to(module: torch.nn.Module, device: object) -> torch.nn.Module:
            if str(device) != "cuda":
                return moved(module, device)
            lender.moves.value += 1
            return module

        torch.nn.Module.to = to
        while True:
            arguments = pickle.loads(self.arguments.get())
            self.stopped.clear()
            try:
                for part in task(*arguments):
                    if self.stopped.is_set():
                        break
                    self.results.put(("part", pickle.dumps(part)))
            except Exception as error:
                self.results.put(("error", type(error).__name__))
            else:
                self.results.put(("end", os.getpid()))


def _borrowing(lender: LentGPU, task: Callable, duration: Callable[..., int]) -> Callable:
    kept: list[_Worker] = []

    def borrow(*arguments) -> Iterator:
        lender.durations.append(duration(*arguments))
        if lender.refusal:
            raise lender.refusal
        worker = kept.pop() if kept and lender.keeps else _Worker(lender, task)
        if worker not in lender.forks:
            lender.forks.append(worker)
        worker.arguments.put(pickle.dumps(arguments))
        kind = "part"
        try:
            while kind == "part":
                kind, value = worker.results.get()
                if kind == "part":
                    yield pickle.loads(value)
        finally:
            worker.stopped.set()
            while kind == "part":  # nobody listens any more
                kind, value = worker.results.get()
            kept.append(worker)
        if kind == "error":
            raise GradioError(value, "ZeroGPU worker error")

    return borrow
