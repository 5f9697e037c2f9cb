"""Inputs of a task, and what a model answers on them: against that, every simpler form of the model is measured.

An input agrees where every asked position does: the largest logit is the same, or, where the task asks for sets, every logit
has the same sign. Inputs stand at 0 and at random offsets, half each, as their models were trained at offsets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from janiform.errors import InputError
from janiform.model import Transformer
from janiform.tasks.sequences import Sampler, Sequences

LARGEST_BATCH = 2**19
"""Entries of an attention pattern over all inputs of a batch: what fits a cache."""

SHORT = 10
"""The most symbols of a short input."""

BINS = ((0, 50), (51, 100), (101, 150))
"""The lengths that agreement is told for, as in Huang et al. 2026."""

Answers = NDArray[np.bool_] | NDArray[np.int64]
"""What is said at each position: the set of tokens that may come next (n, T, tokens), or the next token (n, T)."""


Said = TypeVar("Said", Tensor, NDArray[Any])
"""Answers as a tensor or as an array."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Inputs of about one length, cut after the last asked position, and the model's ``answer`` at every position: one of
    ``choices`` tokens [batch, pos], or a set of them [batch, pos, d_vocab_out]."""

    tokens: Int[Tensor, "batch pos"]
    positions: Int[Tensor, "batch pos"]
    asked: Bool[Tensor, "batch pos"]
    answer: Tensor
    choices: int

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def counted(self) -> Bool[Tensor, "batch pos"]:
        """Which positions bear on an asked one: all up to the last that is asked."""
        return self.asked.flip(-1).cumsum(-1).flip(-1) > 0

    def wrong(self, logits: Float[Tensor, "batch pos d_vocab_out"]) -> Bool[Tensor, "batch pos"]:
        """Return where logits answer otherwise than the model."""
        return ~agree(answered(logits, sets=self.answer.ndim == 3), self.answer, self.asked)

    def take(self, rows: Tensor) -> Batch:
        """Return some of the inputs."""
        end = int(self.asked[rows].any(0).nonzero().max()) + 1
        tokens, positions, asked, answer = (
            t[rows, :end] for t in (self.tokens, self.positions, self.asked, self.answer)
        )
        return Batch(tokens, positions, asked, answer, self.choices)


@dataclass(frozen=True, slots=True)
class Match:
    """How many of ``total`` inputs agree with the model.

    >>> print(Match(96, 100))
    0.960 (0.902-0.984, 100 inputs)
    """

    agreeing: int
    total: int

    @property
    def fraction(self) -> float:
        return self.agreeing / self.total if self.total else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95 %."""
        if not self.total:
            return 0.0, 1.0
        z, n, p = 1.959964, self.total, self.fraction
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.fraction:.3f} ({low:.3f}-{high:.3f}, {self.total} inputs)"


def answered(logits: Tensor, *, sets: bool) -> Tensor:
    """Return what logits say: the tokens above 0, or the token that is largest."""
    return logits > 0 if sets else logits.argmax(-1)


def agree(one: Said, other: Said, asked: Said) -> Said:
    """Return at which positions two answers agree, or nothing is asked.

    >>> agree(np.array([[3, 4, 5]]), np.array([[3, 9, 9]]), np.array([[True, True, False]])).tolist()
    [[True, False, True]]
    """
    same = one == other
    return (same.all(-1) if same.ndim == 3 else same) | ~asked


# --- drawing ----------------------------------------------------------------------------------------------------------


def draw(
    model: Transformer,
    task: Sampler,
    rng: np.random.Generator,
    n: int,
    shortest: int = 1,
    longest: int | None = None,
    *,
    short: int = 0,
) -> Sequences:
    """Draw inputs of a task, ``short`` of them short, of all lengths that the model has positions for.

    >>> from janiform.model import Config
    >>> from janiform.tasks import sampler
    >>> shape = Config(n_layers=0, d_model=4, d_vocab=6, d_vocab_out=6, n_ctx=12, attention_dir="causal")
    >>> draw(Transformer(shape), sampler("tomita2"), np.random.default_rng(0), 90).tokens.shape
    (90, 12)
    """
    longest = room(model, task, task.longest if longest is None else longest)
    if longest < shortest:
        raise InputError(
            f"no input of {task.name} of {shortest} symbols or more fits the model's {model.config.n_ctx} positions"
        )
    some = task.draw(rng, n - short, shortest, longest)
    return joined(task, task.draw(rng, short, shortest, min(SHORT, longest)), some) if short else some


def room(model: Transformer, task: Sampler, longest: int) -> int:
    """Return the longest inputs of a task, up to ``longest``, for which a model has positions; 0 where it has none."""
    trial = np.random.default_rng(0)
    for length in range(min(longest, task.longest), 0, -1):
        # The end stands in the context too, as it did in training.
        if task.draw(trial, 64, max(1, length - SHORT + 1), length).tokens.shape[1] <= model.config.n_ctx:
            return length
        if length <= SHORT:
            break
    return 0


def bins(model: Transformer, task: Sampler) -> dict[str, tuple[int, int]]:
    """Return the bins of lengths that a model has positions for, the shortest and the longest of each by its name."""
    ends = [(shortest, room(model, task, longest)) for shortest, longest in BINS]
    return {f"{a}-{b}": (max(1, a), b) for a, b in ends if max(1, a) <= b}


def joined(task: Sampler, *parts: Sequences) -> Sequences:
    """Put batches together, with <pad> up to the width of the widest."""
    width = max(part.tokens.shape[1] for part in parts)

    def wide(name: str) -> NDArray[Any]:
        fill = task.pad if name == "tokens" else 0
        several = [getattr(part, name) for part in parts]
        more = [((0, 0), (0, width - x.shape[1]), (0, 0))[: x.ndim] for x in several]
        return np.concatenate(
            [np.pad(x, m, constant_values=fill) for x, m in zip(several, more, strict=True)]
        )

    return Sequences(wide("tokens"), wide("asked"), wide("wanted"))


def part_of(task: Sampler, drawn: Sequences, rows: NDArray[np.integer]) -> Sequences:
    """Return some rows of a batch, no wider than they need."""
    width = int((drawn.tokens[rows] != task.pad).sum(1).max())
    return Sequences(drawn.tokens[rows, :width], drawn.asked[rows, :width], drawn.wanted[rows, :width])


def standing(model: Transformer, task: Sampler, *drawn: Sequences) -> Int[Tensor, "n pos"]:
    """Return where tokens stand: half of the inputs at 0, half at an offset, as such models were trained; all at 0 if not so.

    Inputs of several batches, row by row, stand at the same offsets.
    """
    lengths = np.max([(d.tokens != task.pad).sum(1) for d in drawn], 0)
    rng = np.random.default_rng(int(lengths.sum()))
    free = np.maximum(model.config.n_ctx - lengths, 0)
    offsets = rng.integers(0, free, endpoint=True) * rng.integers(2, size=len(lengths)) * task.offsets
    places = offsets[:, None] + np.arange(drawn[0].tokens.shape[1])
    return torch.as_tensor(np.minimum(places, model.config.n_ctx - 1))


def pieces(
    model: Transformer, task: Sampler, drawn: Sequences, *, offsets: bool = True
) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
    """Yield rows of about one length, the shortest first, with tokens up to the last asked position, and where they stand."""
    if len(task.vocab) > model.config.d_vocab:
        raise InputError(
            f"{task.name} has {len(task.vocab)} tokens, the model {model.config.d_vocab}: it is a model of another task"
        )
    ends = np.where(drawn.asked.any(1), drawn.asked.shape[1] - drawn.asked[:, ::-1].argmax(1), 0)
    places = (
        standing(model, task, drawn) if offsets else torch.arange(drawn.tokens.shape[1]).expand(len(ends), -1)
    )
    rows = np.argsort(ends, kind="stable")
    rows = rows[ends[rows] > 0]
    while len(rows):
        fits = np.arange(1, len(rows) + 1) * ends[rows] ** 2 <= LARGEST_BATCH
        now, rows = np.split(rows, [max(1, int(fits.sum()))])
        size = int(ends[now].max())
        tokens = np.where(drawn.tokens == task.pad, task.bos, drawn.tokens)[now, :size]
        yield now, torch.from_numpy(tokens), places[now, :size]


def batched(model: Transformer, task: Sampler, drawn: Sequences) -> list[Batch]:
    """Return inputs with the model's answers, as tensors of about one length each, the shortest first.

    >>> from janiform.model import Config
    >>> from janiform.tasks import sampler
    >>> shape = Config(n_layers=0, d_model=4, d_vocab=6, d_vocab_out=6, n_ctx=12, attention_dir="causal")
    >>> drawn = sampler("tomita2").draw(np.random.default_rng(0), 3, 4, 4)
    >>> [batch] = batched(Transformer(shape), sampler("tomita2"), drawn)
    >>> batch.tokens.tolist()[0], batch.answer.shape
    ([2, 1, 0, 1, 0], torch.Size([3, 5, 6]))
    """
    found = []
    for rows, tokens, positions in pieces(model, task, drawn):
        with torch.no_grad():
            answer = answered(model(tokens, positions), sets=task.legal)
        asked = torch.from_numpy(drawn.asked[rows, : tokens.shape[1]])
        found.append(Batch(tokens, positions, asked, answer, len(task.vocab)))
    return found


def match(logits: Callable[[Batch], Tensor], batches: Iterable[Batch]) -> Match:
    """Count on how many inputs the logits that ``logits(batch)`` gives agree with the model's answers."""
    agreeing = total = 0
    for batch in batches:
        agreeing += int((~batch.wrong(logits(batch)).any(-1)).sum())
        total += len(batch)
    return Match(agreeing, total)
