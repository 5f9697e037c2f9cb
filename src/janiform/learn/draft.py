"""A draft: a learned program while it is still being searched, as integer arrays that are cheap to change.

A draft is a list of *units* over the input variables (tokens, positions): a unit reads earlier variables and writes one
variable, so a draft has exactly the freedom of a discrete transformer (Friedman et al. 2023, section 3).
Values are codes into each variable's own domain. The interpreter here is the one that the search runs; ``learn.harden``
turns a draft into a Program, whose interpreter is ``ir.evaluate``, and the two agree on every input (law 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from janiform.tasks.examples import Data

MASKS = ("all", "before", "after", "others")
"""Which keys a head may see, beside its relation: all, those left of the query, right of it, or all but itself."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A head that copies ``value`` from the closest related key; ``default`` (a code) where there is none."""

    key: int
    query: int
    value: int
    relation: np.ndarray  # bool (query codes, key codes)
    mask: str
    default: int

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.key, self.query, self.value)


@dataclass(frozen=True, slots=True)
class Tally:
    """A head that counts the related keys, or sums a number over them."""

    key: int
    query: int
    relation: np.ndarray
    mask: str
    amounts: int | None = None

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.key, self.query) if self.amounts is None else (self.key, self.query, self.amounts)


@dataclass(frozen=True, slots=True)
class Table:
    """A position-wise function of two variables, written out: an MLP."""

    left: int
    right: int
    cells: np.ndarray  # (left codes, right codes) -> code below ``size``
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Recode:
    """A position-wise function of one variable: an embedding of words as one of several categories."""

    of: int
    cells: np.ndarray  # (codes,) -> code below ``size``
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.of,)


@dataclass(frozen=True, slots=True)
class Number:
    """A number for each code of one variable: a numeric embedding."""

    of: int
    numbers: np.ndarray  # (codes,) float

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.of,)


@dataclass(frozen=True, slots=True)
class Steps:
    """A numerical MLP: a category for each step of a weighted sum of two numbers; it steps where the sum reaches an edge.

    Positions and counts are numbers too; tokens and classes are none.
    """

    left: int
    right: int
    slopes: tuple[float, float]
    edges: tuple[float, ...]  # ascending
    cells: np.ndarray  # (edges + 1,) -> code below ``size``
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.left, self.right)

    def step(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How many edges the sum has reached."""
        return np.searchsorted(self.edges, self.slopes[0] * x + self.slopes[1] * y, side="right")


Unit = Copy | Tally | Table | Recode | Number | Steps


@dataclass(frozen=True, slots=True)
class Frame:
    """What a draft is about: how many tokens, positions and labels there are, the direction, one label an input or many."""

    tokens: int
    length: int
    labels: int
    causal: bool = False
    pooled: bool = False

    @classmethod
    def of(cls, data: Data) -> Frame:
        """The frame of what is learned from."""
        sizes = (len(data.signature.vocab), data.signature.max_len, len(data.labels))
        return cls(*sizes, data.signature.causal, data.pooled)

    def masks(self) -> tuple[str, ...]:
        """The masks that mean something in this direction."""
        return ("all", "before") if self.causal else MASKS

    def pairs(self, mask: str) -> np.ndarray:
        """The (query, key) positions that ``mask`` allows."""
        apart = np.arange(self.length)[None, :] - np.arange(self.length)[:, None]
        seen = apart <= 0 if self.causal else np.ones_like(apart, bool)
        return (
            seen
            & {"all": apart == apart, "before": apart < 0, "after": apart > 0, "others": apart != 0}[mask]
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """Units in order, and the weights of the output.

    ``weights[v]`` is (codes of variable v, labels); for a number (1, labels), its slope. A pooled output averages over the
    positions of an input.
    """

    frame: Frame
    units: tuple[Unit, ...]
    weights: tuple[np.ndarray, ...]
    bias: np.ndarray

    @property
    def inputs(self) -> int:
        """How many variables come before the units: tokens and positions."""
        return 2

    def sizes(self) -> list[int]:
        """How many codes each variable has; 0 says that it is a number."""
        sizes = [self.frame.tokens, self.frame.length]
        for u in self.units:
            sizes.append(size_of(u, sizes, self.frame))
        return sizes

    def numeric(self) -> list[bool]:
        """Which variables are numbers: positions, counts, sums, numeric embeddings, and copies of them."""
        numeric = [False, True]
        for u in self.units:
            numeric.append(numeric[u.value] if isinstance(u, Copy) else isinstance(u, Tally | Number))
        return numeric

    def stands_in(self, new: int, old: int) -> bool:
        """Whether what reads variable ``old`` may read ``new``: numerical MLPs read numbers alone."""
        numeric = self.numeric()
        return numeric[new] or not numeric[old] or not any(isinstance(u, Steps) for u in self.units)

    def with_unit(self, i: int, unit: Unit) -> Draft:
        """Return the draft with unit ``i`` replaced; its variable keeps its codes."""
        return replace(self, units=(*self.units[:i], unit, *self.units[i + 1 :]))

    def with_output(self, weights: tuple[np.ndarray, ...], bias: np.ndarray) -> Draft:
        """Return the draft with another output."""
        return replace(self, weights=weights, bias=bias)

    def live(self) -> list[int]:
        """The units that the output reads, directly or through others."""
        needed = {v for v, w in enumerate(self.weights) if w.any()}
        for i in range(len(self.units) - 1, -1, -1):
            if i + self.inputs in needed:
                needed |= set(self.units[i].reads)
        return [i for i in range(len(self.units)) if i + self.inputs in needed]

    def pruned(self) -> Draft:
        """Return the draft without the units that nothing reads."""
        keep = self.live()
        number = {0: 0, 1: 1} | {i + self.inputs: n + self.inputs for n, i in enumerate(keep)}
        units = tuple(_renumbered(self.units[i], number) for i in keep)
        weights = tuple(self.weights[v] for v in sorted(number))
        return Draft(self.frame, units, weights, self.bias)


def size_of(u: Unit, sizes: list[int], frame: Frame) -> int:
    """How many codes the variable has that a unit writes, 0 for a number; ``sizes`` are those of the variables before it."""
    match u:
        case Copy():
            return sizes[u.value]
        case Tally(amounts=None):
            return frame.length + 1
        case Table() | Recode() | Steps():
            return u.size
        case Tally() | Number():
            return 0


def _renumbered(u: Unit, number: dict[int, int]) -> Unit:
    match u:
        case Copy():
            return replace(u, key=number[u.key], query=number[u.query], value=number[u.value])
        case Tally():
            amounts = None if u.amounts is None else number[u.amounts]
            return replace(u, key=number[u.key], query=number[u.query], amounts=amounts)
        case Table() | Steps():
            return replace(u, left=number[u.left], right=number[u.right])
        case Recode() | Number():
            return replace(u, of=number[u.of])


class Bench:
    """Inputs to run drafts on: codes ``x`` (n, length), -1 past the end, with what every run shares worked out once."""

    def __init__(self, frame: Frame, x: np.ndarray) -> None:
        self.frame = frame
        self.valid = x >= 0
        self.inputs = (
            np.where(self.valid, x, 0).astype(np.intp),
            np.broadcast_to(np.arange(frame.length), x.shape),
        )
        apart = np.arange(frame.length)[None, :] - np.arange(frame.length)[:, None]
        nearness = (2 * np.abs(apart) + (apart > 0)).astype(np.int8 if frame.length < 60 else np.int32)
        self.far = np.iinfo(nearness.dtype).max
        self.nearness = {m: np.where(frame.pairs(m), nearness, self.far) for m in frame.masks()}
        self.seen = {m: frame.pairs(m) for m in frame.masks()}

    def take(self, rows: np.ndarray) -> Bench:
        """The bench of some of the inputs."""
        return Bench(self.frame, np.where(self.valid, self.inputs[0], -1)[rows])

    def run(self, draft: Draft, upto: int | None = None) -> list[np.ndarray]:
        """Compute every variable, (n, length) codes each."""
        values = list(self.inputs)
        for u in draft.units[:upto]:
            values.append(self.unit(u, values))
        return values

    def rerun(self, draft: Draft, values: list[np.ndarray], changed: int) -> list[np.ndarray]:
        """Compute again only what reads unit ``changed``, directly or through others, from ``values`` before the change."""
        first = changed + draft.inputs
        new = list(values)
        new[first] = self.unit(draft.units[changed], new)
        dirty = {first} if (new[first] != values[first]).any() else set()
        for i in range(changed + 1, len(draft.units)):
            if dirty and not dirty.isdisjoint(draft.units[i].reads):
                v = i + draft.inputs
                new[v] = self.unit(draft.units[i], new)
                if (new[v] != values[v]).any():
                    dirty.add(v)
                else:
                    new[v] = values[v]
        return new

    def unit(self, u: Unit, values: list[np.ndarray]) -> np.ndarray:
        """Compute the variable that one unit writes."""
        match u:
            case Table():
                return u.cells[values[u.left], values[u.right]]
            case Steps():
                return u.cells[u.step(values[u.left], values[u.right])]
            case Recode():
                return u.cells[values[u.of]]
            case Number():
                return u.numbers[values[u.of]]
            case Tally():
                chosen = self.related(u, values) & self.seen[u.mask]
                return chosen.sum(2) if u.amounts is None else (chosen * values[u.amounts][:, None, :]).sum(2)
            case Copy():
                badness = np.where(self.related(u, values), self.nearness[u.mask], self.far)
                chosen = badness.argmin(2)
                found = np.take_along_axis(badness, chosen[:, :, None], 2)[:, :, 0] < self.far
                return np.where(found, np.take_along_axis(values[u.value], chosen, 1), u.default)

    def related(self, u: Copy | Tally, values: list[np.ndarray]) -> np.ndarray:
        """Which keys (n, query, key) stand in the unit's relation, masks apart."""
        keys = u.relation.shape[1]
        padded = np.zeros((u.relation.shape[0], keys + 1), bool)  # a key past the end is related to nothing
        padded[:, :keys] = u.relation
        codes = np.where(self.valid, values[u.key], keys)
        cells = (values[u.query] * (keys + 1))[:, :, None] + codes[:, None, :]
        return padded.ravel()[cells]


def logits(draft: Draft, values: list[np.ndarray]) -> np.ndarray:
    """The score of each label at each position, (n, length, labels), before any pooling."""
    total = np.broadcast_to(draft.bias, (*values[0].shape, len(draft.bias))).copy()
    for w, v, size in zip(draft.weights, values, draft.sizes(), strict=True):
        if w.any():
            total += term(w, v, size)
    return total


def term(weights: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """What one variable adds to the scores, from its codes, or from its numbers where it has no codes."""
    return weights[values] if size else weights[0] * values[:, :, None]


def accuracy(said: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Token and whole-sequence accuracy of labels where they are asked."""
    asked = y >= 0
    right = said == y
    return float(right[asked].mean()), float((right | ~asked).reshape(len(y), -1).all(1).mean())
