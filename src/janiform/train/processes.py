"""Several processes that train one model, as ``torchrun`` starts them: accelerate moves gradients between them.

A process that was started by itself is the only one, and takes no part of accelerate.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from janiform.errors import InputError


@dataclass(frozen=True, slots=True)
class Processes:
    """This process is number ``rank`` of ``world``.

    >>> Processes().first, Processes().add(2.0, 3)
    (True, [2.0, 3])
    """

    rank: int = 0
    world: int = 1
    accelerator: Any = None

    @classmethod
    def here(cls) -> Processes:
        """Return the processes that torchrun started, if it did."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        try:
            from accelerate import Accelerator
        except ImportError:
            raise InputError(
                "training in several processes takes accelerate: pip install janiform[accelerate]"
            ) from None
        accelerator = Accelerator(cpu=not torch.cuda.is_available())
        return cls(accelerator.process_index, accelerator.num_processes, accelerator)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this process computes: its own GPU, the only one, or the CPU."""
        if self.accelerator is not None:
            return self.accelerator.device  # type: ignore[no-any-return]
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def share(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are the mean over all processes."""
        return module if self.accelerator is None else self.accelerator.prepare(module)  # type: ignore[no-any-return]

    def alone(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Let gradients of a shared module add up in each process, while inside."""
        if self.accelerator is None:
            return nullcontext()
        return self.accelerator.no_sync(module)  # type: ignore[no-any-return]

    def add(self, *numbers: float) -> list[float]:
        """Return the sums over all processes."""
        if self.accelerator is None:
            return list(numbers)
        given = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        return self.accelerator.reduce(given, reduction="sum").tolist()  # type: ignore[no-any-return]

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()
