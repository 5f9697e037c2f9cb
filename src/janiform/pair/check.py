"""Law 2: the weights compute what the program means, on every input or on drawn ones, and the report says which.

Each input is run both padded to the full context and, where it is shorter, without padding (drawn inputs one or the other).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from janiform.compile.result import Bound, Readout
from janiform.errors import MeaningError
from janiform.ir.evaluate import evaluate
from janiform.ir.nodes import Value
from janiform.pair.codec import Index, Outputs, classes
from janiform.pair.inputs import count, drawn, everything

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

_PATTERNS = 2**22
"""How many (input, query, key) triples the interpreter is given at once."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An input on which weights and program differ."""

    input: tuple[Value, ...]
    output: str
    expected: tuple[Value, ...]
    got: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.output} of {list(self.input)}: expected {list(self.expected)}, got {list(self.got)}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    ``refused`` inputs have no meaning, so nothing could be compared. ``error`` is the largest deviation of a number from
    its value, ``gap`` the smallest lead of a right category over the next; None where no output is of that kind.
    """

    checked: int
    domain: int
    exhaustive: bool
    mismatches: int
    counterexample: Counterexample | None
    refused: int
    error: float | None
    gap: float | None
    bound: Bound
    seconds: float

    @property
    def good(self) -> bool:
        """Whether nothing differs, and something was compared."""
        return self.mismatches == 0 and self.checked > self.refused

    def data(self) -> dict[str, Any]:
        """Return the report as plain data."""
        found = self.counterexample
        example = found and {n: getattr(found, n) for n in ("input", "output", "expected", "got")}
        return {
            "good": self.good,
            "checked": self.checked,
            "domain": self.domain if self.domain < 2**53 else _power(self.domain),
            "exhaustive": self.exhaustive,
            "mismatches": self.mismatches,
            "counterexample": example,
            "refused": self.refused,
            "error": self.error,
            "gap": self.gap,
            "bound": {"error": self.bound.error, "margin": self.bound.margin, "dtype": self.bound.dtype},
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        if self.exhaustive:
            which = f"all {self.checked:,} inputs"
        else:
            which = f"{self.checked:,} drawn inputs (of {_power(self.domain)})"
        lines = [f"{which}: {'no mismatch' if not self.mismatches else f'{self.mismatches:,} mismatches'}"]
        if self.counterexample:
            lines.append(f"first: {self.counterexample}")
        if self.refused:
            lines.append(f"{self.refused:,} of them have no meaning and were not compared")
        seen = [] if self.error is None else [f"numbers err by at most {self.error:.1e}"]
        seen += [] if self.gap is None else [f"categories lead by at least {self.gap:.3g}"]
        proof = (
            f"bound {self.bound.error:.1e} {'<' if self.bound.exact else '>='} margin {self.bound.margin:.2g}"
        )
        lines.append("; ".join([*seen, proof, self.bound.dtype, f"{self.seconds:.1f} s"]))
        return "\n".join(lines)

    __repr__ = __str__


def check(
    pair: Pair, *, limit: int, draws: int, seed: int, tick: Callable[[int, int], None] | None = None
) -> Report:
    """Compare weights and program on every input if there are at most ``limit``, else on drawn ones."""
    start = time.perf_counter()
    signature, domain = pair.signature, count(pair.signature)
    exhaustive = domain <= limit
    size = max(1, _PATTERNS // (signature.max_len + 1) ** 2)
    batches = everything(signature, size) if exhaustive else drawn(signature, draws, size, seed=seed)
    total = domain if exhaustive else draws
    tally = _Tally(pair)
    pair.run([[]])
    for codes in batches:
        bare, full = codes.shape[1], signature.max_len
        if exhaustive:
            tally.add(codes, sorted({bare, full}))
        else:
            tally.add(codes[::2], [bare])
            tally.add(codes[1::2], [full])
        if tick is not None:
            tick(tally.checked, total)
    return tally.report(domain, exhaustive, time.perf_counter() - start)


class _Tally:
    """What has been seen so far."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.index = {r.name: Index(r) for r in pair.readouts}
        self.checked = self.refused = self.mismatches = 0
        self.first: Counterexample | None = None
        self.error: float | None = None
        self.gap: float | None = None

    def add(self, codes: Int[np.ndarray, "batch length"], paddings: Sequence[int]) -> None:
        """Compare one batch of inputs of one length, once for each padding."""
        words = self.pair.codec.words(codes)
        self.checked += len(words)
        for rows, expected in _meanings(self.pair, words, np.arange(len(words))):
            self.refused += len(rows) if expected is None else 0
            if expected is not None and len(rows):
                self._compare(codes[rows], [words[i] for i in rows], expected, paddings)

    def _compare(
        self, codes: np.ndarray, words: list[list[Value]], expected: Outputs, paddings: Sequence[int]
    ) -> None:
        wrong = np.zeros(len(codes), dtype=bool)
        right = {r.name: _indices(self.index[r.name], expected[r.name]) for r in self.pair.readouts}
        for padding in paddings:
            logits = self.pair.logits(self.pair.codec.frame(codes, padding))[:, 1 : 1 + codes.shape[1]]
            for r in self.pair.readouts:
                differs = (classes(r, logits) != right[r.name]).any(1)
                if differs.any() and self.first is None:
                    self._keep(r, int(differs.argmax()), words, expected, logits)
                wrong |= differs
                self._measure(r, logits, right[r.name])
        self.mismatches += int(wrong.sum())

    def _keep(
        self,
        r: Readout,
        i: int,
        words: list[list[Value]],
        expected: Outputs,
        logits: Float[np.ndarray, "batch pos logit"],
    ) -> None:
        table = (*r.values, None)
        got = tuple(table[c] for c in classes(r, logits[i]))
        self.first = Counterexample(tuple(words[i]), r.name, tuple(expected[r.name][i]), got)

    def _measure(self, r: Readout, logits: Float[np.ndarray, "batch pos logit"], right: np.ndarray) -> None:
        known = right >= 0
        if not known.any():
            return
        columns, which = logits[..., r.start : r.stop][known].astype(np.float64), right[known]
        if r.kind == "number":
            values = np.array([float(v) for v in r.values])  # type: ignore[arg-type]
            self.error = max(self.error or 0.0, float(np.abs(columns[:, 0] - values[which]).max()))
        elif r.width > 1:
            ours = np.take_along_axis(columns, which[:, None], 1)[:, 0]
            np.put_along_axis(columns, which[:, None], -np.inf, 1)
            gap = float((ours - columns.max(1)).min())
            self.gap = gap if self.gap is None else min(self.gap, gap)

    def report(self, domain: int, exhaustive: bool, seconds: float) -> Report:
        return Report(
            self.checked,
            domain,
            exhaustive,
            self.mismatches,
            self.first,
            self.refused,
            self.error,
            self.gap,
            self.pair.bound,
            seconds,
        )


def _meanings(
    pair: Pair, words: list[list[Value]], rows: np.ndarray
) -> Iterator[tuple[np.ndarray, Outputs | None]]:
    """Evaluate a batch; where it has no meaning, halve it until the inputs at fault stand alone, and yield None for them."""
    try:
        yield rows, evaluate(pair.program, [words[i] for i in rows], signature=pair.signature)
        return
    except MeaningError:
        if len(rows) == 1:
            yield rows, None
            return
    middle = len(rows) // 2
    yield from _meanings(pair, words, rows[:middle])
    yield from _meanings(pair, words, rows[middle:])


def _indices(index: Index, rows: list[list[Value]]) -> Int[np.ndarray, "batch length"]:
    return np.array([[index(v) for v in row] for row in rows], dtype=np.int64).reshape(len(rows), -1)


def _power(n: int) -> str:
    """Write a large whole number with two digits and a power of ten, however large."""
    if n < 10**6:
        return f"{n:,}"
    exponent = math.floor(math.log10(n))
    return f"{10 ** (math.log10(n) - exponent):.1f}e{exponent}"
