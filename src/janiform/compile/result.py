"""What the compiler hands on: weights, how to read them out, where each node lives, and why they are exact.

NumPy only; ``janiform.pair`` turns a ``Compiled`` into a torch model with its program beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from janiform.ir.nodes import Node, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature


@dataclass(frozen=True, slots=True)
class Readout:
    """How an output is read from ``logits[..., start:stop]``.

    A ``category`` is ``values[argmax]``, with ``None`` (undefined) as a class of its own. So are ``scores``, whose winner
    leads by ``gap`` or more. A ``number`` is the nearest of ``values`` to ``logits[..., start]``; with a second column, it
    is undefined unless ``logits[..., start + 1] > 0.5``.

    >>> Readout("hist", "category", 0, 3, (0, 1, 2)).width
    3
    """

    name: str
    kind: Literal["category", "scores", "number"]
    start: int
    stop: int
    values: tuple[Value, ...]
    gap: float = 1.0

    @property
    def width(self) -> int:
        """How many columns of the logits it takes."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node lives: which component writes it, and into which dimensions of the residual stream.

    ``meaning[i]`` labels dimension ``dims[i]``. A ``virtual`` node is folded into those that read it and has no place.
    """

    node: Node
    name: str
    kind: Literal["embed", "head", "mlp", "virtual"]
    layer: int | None
    heads: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    dims: tuple[int, ...] = ()
    meaning: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """A proof in two numbers: read-outs err by at most ``error``, and come out right while they err by less than ``margin``.

    Where nothing is proven, as of weights that were trained, ``error`` is infinite.

    >>> Bound(1e-5, 0.5, "float32").exact
    True
    """

    error: float
    margin: float
    dtype: str

    @property
    def exact(self) -> bool:
        """Whether the error cannot reach the margin."""
        return self.error < self.margin


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A compiled program: the settings and weights of a transformer, with TransformerLens' names and shapes.

    ``extent`` bounds what each dimension of the residual stream can hold.
    """

    program: Program
    signature: Signature
    config: dict[str, Any]
    weights: dict[str, np.ndarray]
    readouts: tuple[Readout, ...]
    places: tuple[Place, ...]
    bound: Bound
    layout: str = "separate"
    extent: np.ndarray = field(default_factory=lambda: np.zeros(0))
