"""Fresh weights for the programs of a data set: in every epoch another basis, other gauges, another order; each pair compared.

A program is compiled once and kept. Its weights are then changed by the same steps as ``disguise`` takes, without the checks that
``disguise`` makes of each, because all inputs that are compared go through the changed weights in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from janiform.decompile.dataset.reading import Entry
from janiform.decompile.dataset.verify import Inputs, disagreement, inputs
from janiform.ir.canonical.form import Outcomes, behavior
from janiform.ir.semantics import Signature
from janiform.model import Transformer
from janiform.pair import Pair
from janiform.pair.basis import Basis
from janiform.realistic.disguise import Weights, gauge_heads, shuffle_units, turn_stream


@dataclass(frozen=True, slots=True, eq=False)
class FreshPair:
    """A program of a data set with weights that were drawn for it, and on how many inputs the two were compared.

    The model of a program is one object, whose weights the next epoch replaces; ``model.weights()`` copies them.
    """

    entry: Entry
    model: Transformer
    pair: Pair
    compared: int


@dataclass(slots=True)
class FreshWeights:
    """Draws weights for programs, epoch by epoch.

    ``redrawn`` counts weights whose rounding in the format of the plain ones changed an output: they are in float64.

    >>> from janiform.ir.program import program
    >>> from janiform.ir.derived import histogram
    >>> from janiform.text.json import dumps
    >>> entry = Entry("0" * 64, "1" * 64, 1, dumps(program(histogram())))
    >>> fresh = FreshWeights([entry], Signature(range(5), 5))
    >>> [p.compared for p in fresh.epoch(0)], fresh.redrawn
    ([100], 0)
    """

    entries: Sequence[Entry]
    signature: Signature
    count: int = 100
    seed: int = 0
    redrawn: int = 0
    _models: dict[int, Transformer] = field(default_factory=dict)
    _kept: dict[int, tuple[Pair, dict[str, np.ndarray], Outcomes]] = field(default_factory=dict)

    def epoch(self, number: int) -> Iterator[FreshPair]:
        """Yield every program with weights of its own; the same number gives the same weights."""
        given = inputs(self.signature, self.count)
        for i, entry in enumerate(self.entries):
            pair, weights, outcomes = self.plain(i)
            rng = np.random.default_rng([self.seed, number, i])
            changed = turned(pair, weights, rng)
            model = self.compared(i, changed, outcomes, given)
            yield FreshPair(entry, model, pair, len(given))

    def plain(self, i: int) -> tuple[Pair, dict[str, np.ndarray], Outcomes]:
        """Return a program compiled, its weights in float64, and its outputs on every input."""
        if i not in self._kept:
            program = self.entries[i].program
            pair = program.compile(signature=self.signature)
            weights = {name: w.astype(np.float64) for name, w in pair.model.weights().items()}
            self._kept[i] = pair, weights, next(iter(behavior(program, self.signature).values()))
        return self._kept[i]

    def compared(
        self, i: int, weights: Mapping[str, np.ndarray], outcomes: Outcomes, given: Inputs
    ) -> Transformer:
        """Return a model of the weights that agrees with the program on every input that is compared."""
        pair = self._kept[i][0]
        if i not in self._models:
            self._models[i] = Transformer.from_weights(pair.model.config, weights).requires_grad_(False)
        model = load(self._models[i], weights)
        wrong = disagreement(model, pair.readouts[0], outcomes, given)
        if wrong:
            self.redrawn += 1
            fine = replace(pair.model.config, dtype="float64")
            model = Transformer.from_weights(fine, weights).requires_grad_(False)
            wrong = disagreement(model, pair.readouts[0], outcomes, given)
        if wrong:
            raise AssertionError(f"weights and program differ on {wrong} inputs: {pair.program}")
        return model


def load(model: Transformer, weights: Mapping[str, np.ndarray]) -> Transformer:
    """Put weights of the same shapes into a model."""
    for name, parameter in model.named_parameters():
        parameter.copy_(torch.from_numpy(weights[name]))
    return model


def turned(pair: Pair, weights: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return weights that compute the same in another basis, with other gauges and in another order."""
    c = pair.model.config
    state = Weights(
        c,
        {name: w.copy() for name, w in weights.items()},
        np.ones(c.d_model),
        Basis.axes(c.d_model),
        [list(range(c.n_heads)) for _ in range(c.n_layers)],
        [list(range(c.d_mlp)) for _ in range(c.n_layers)],
    )
    gauge_heads(state, rng)
    shuffle_units(state, rng)
    turn_stream(state, rng, "orthogonal" if rng.integers(2) else "invertible")
    return state.w
