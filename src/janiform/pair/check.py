"""Law 2: the weights compute what the program means, on every input or on drawn ones, and the report says which.

Each input is run both padded to the full context and, where it is shorter, without padding (drawn inputs one or the other).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from janiform.compile.result import Bound, Readout
from janiform.errors import InputError, MeaningError
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Value
from janiform.pair.codec import Index, classes
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

    ``refused`` inputs have no meaning, so nothing could be compared. ``error`` is the largest error observed at a read-out,
    in the units of the bound: that share of the margin by which a number was off, or of a class's lead that was lost.
    """

    checked: int
    domain: int
    exhaustive: bool
    mismatches: int
    counterexample: Counterexample | None
    refused: int
    error: float
    bound: Bound
    seconds: float

    @property
    def good(self) -> bool:
        """Whether nothing differs, and something was compared."""
        return self.mismatches == 0 and self.checked > self.refused

    def data(self) -> dict[str, Any]:
        """Return the report as plain data."""
        found = self.counterexample
        return {
            "good": self.good,
            "checked": self.checked,
            "domain": self.domain if self.domain < 2**53 else _power(self.domain),
            "exhaustive": self.exhaustive,
            "mismatches": self.mismatches,
            "counterexample": found
            and {n: getattr(found, n) for n in ("input", "output", "expected", "got")},
            "refused": self.refused,
            "error": self.error,
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
        b = self.bound
        lines.append(
            f"observed error {self.error:.1e}, bound {b.error:.1e}, margin {b.margin:.2g}, {b.dtype}; {self.seconds:.1f} s"
        )
        return "\n".join(lines)

    __repr__ = __str__


def check(
    pair: Pair, *, limit: int, draws: int, seed: int, tick: Callable[[int, int], None] | None = None
) -> Report:
    """Compare weights and program on every input if there are at most ``limit``, else on drawn ones."""
    for name, n in (("limit", limit), ("draws", draws), ("seed", seed)):
        if n < 0:
            raise InputError(f"{name} must not be negative, got {n}")
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
        self.margin = {r.name: Margin(r) for r in pair.readouts}
        self.checked = self.refused = self.mismatches = 0
        self.first: Counterexample | None = None

    def add(self, codes: Int[np.ndarray, "batch length"], paddings: Sequence[int]) -> None:
        """Compare one batch of inputs of one length, once for each padding."""
        if not len(codes):
            return
        self.checked += len(codes)
        codes, run = self._meant(codes)
        if run is None:
            return
        columns = {r.name: run.column(self.pair.program.outputs[r.name]) for r in self.pair.readouts}
        right = {n: np.array([self.index[n](v) for v in c.values])[c.codes] for n, c in columns.items()}
        wrong = np.zeros(len(codes), dtype=bool)
        for padding in paddings:
            logits = self.pair.logits(self.pair.codec.frame(codes, padding))[:, 1 : 1 + codes.shape[1]]
            for r in self.pair.readouts:
                got = classes(r, logits)
                differs = (got != right[r.name]).any(1)
                if differs.any() and self.first is None:
                    i = int(differs.argmax())
                    expected = tuple(columns[r.name].values[c] for c in columns[r.name].codes[i])
                    shown = tuple((*r.values, None)[c] for c in got[i])
                    self.first = Counterexample(tuple(run.inputs[i]), r.name, expected, shown)
                wrong |= differs
                self.margin[r.name].add(
                    logits[..., r.start : r.stop].reshape(-1, r.width), right[r.name].ravel()
                )
        self.mismatches += int(wrong.sum())

    def _meant(self, codes: np.ndarray) -> tuple[np.ndarray, Run | None]:
        """Return the inputs on which the program has a meaning, interpreted; count the others."""
        signature = self.pair.signature
        while len(codes):
            run = Run(self.pair.codec.words(codes), causal=signature.causal, program=self.pair.program)
            try:
                for n in self.pair.program.outputs.values():
                    run.column(n)
                return codes, run
            except MeaningError as e:
                self.refused += len(e.rows)
                codes = np.delete(codes, e.rows, axis=0)
        return codes, None

    def report(self, domain: int, exhaustive: bool, seconds: float) -> Report:
        bound = self.pair.bound
        error = bound.margin * max(m.share() for m in self.margin.values())
        return Report(
            self.checked, domain, exhaustive, self.mismatches, self.first, self.refused, error, bound, seconds
        )


class Margin:
    """How much of its margin a read-out was seen to use.

    A number may be off by half the distance of two values. A class leads the next by what its weights say, which is the
    largest lead it was seen to have; any smaller lead is an error. Scores lead by the read-out's ``gap`` or more.
    """

    def __init__(self, readout: Readout) -> None:
        self.readout = readout
        if readout.kind == "number":
            self.values = np.array([float(v) for v in readout.values])  # type: ignore[arg-type]
            self.half = float(np.diff(np.unique(self.values)).min(initial=1.0)) / 2
            self.worst = 0.0
        else:
            self.least = np.full(len(readout.values), np.inf)
            self.most = np.full(len(readout.values), -np.inf)

    def add(self, logits: Float[np.ndarray, "row logit"], right: Int[np.ndarray, " row"]) -> None:
        """Take note of logits beside the index of the right value."""
        known = right >= 0
        columns, right = logits[known].astype(np.float64), right[known]
        if self.readout.kind == "number":
            self.worst = max(self.worst, float(np.abs(columns[:, 0] - self.values[right]).max(initial=0.0)))
        elif self.readout.width > 1:
            ours = np.take_along_axis(columns, right[:, None], 1)[:, 0]
            np.put_along_axis(columns, right[:, None], -np.inf, 1)
            lead = ours - columns.max(1)
            np.minimum.at(self.least, right, lead)
            np.maximum.at(self.most, right, lead)

    def share(self) -> float:
        """Return the largest part of the margin that was used: 0 is exact, 1 is wrong."""
        if self.readout.kind == "number":
            return self.worst / self.half
        seen = np.isfinite(self.least)
        if not seen.any():
            return 0.0
        least, most = self.least[seen], self.most[seen]
        if self.readout.kind == "scores":
            return max(0.0, 1.0 - float(least.min()) / self.readout.gap)
        return float(np.where(most > 0, (most - least) / np.where(most > 0, most, 1.0), np.inf).max())


def _power(n: int) -> str:
    """Write a large whole number with two digits and a power of ten, however large."""
    if n < 10**6:
        return f"{n:,}"
    exponent = math.floor(math.log10(n))
    return f"{10 ** (math.log10(n) - exponent):.1f}e{exponent}"
