"""Train a wider model to have a program's mechanism: strict interchange-intervention training (Gupta et al. 2024, InterpBench).

The trained model's weights are those of any trained transformer; which heads and units hold which variable is known, since
that is what they were trained to. Where each variable lies in the stream is read off afterwards by least squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from janiform.compile.result import Bound
from janiform.errors import FileError, InputError
from janiform.model import Transformer
from janiform.pair.basis import Basis, Origin
from janiform.pair.inputs import drawn
from janiform.realistic.faithfulness import stream
from janiform.realistic.folder import agree, asked_of
from janiform.realistic.strict import Drills, Layout, Scores, Strict
from janiform.train.log import Log
from janiform.train.state import load_state, save_state

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

VALIDATED = 4
"""How many batches of interventions on each variable there are to validate on."""
BETAS = (0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """The shape of the wider model, and how it is trained."""

    d_model: int = 64
    heads: int = 4
    """At least so many a layer."""
    d_mlp: int = 128
    steps: int = 4_000
    """At most so many."""
    every: int = 100
    """Steps between validations; the state is saved at each."""
    batch: int = 64
    stock: int = 96
    """How many batches of interventions on each variable there are to learn from; a few are learned by heart."""
    rate: float = 2e-3
    strictness: float = 1.0
    """The weight of the strict loss, 0.4 in the paper; the others have 1."""
    enough: float = 0.995
    """Training stops when all three validation scores have come so far."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("d_model", "heads", "d_mlp", "steps", "every", "batch", "stock"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if not self.rate > 0:
            raise InputError(f"rate, by which weights change, must be more than 0, got {self.rate}")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more, got {self.seed}")


@dataclass(slots=True)
class _State:
    """A training after a step."""

    model: Transformer
    optimizer: torch.optim.Adam
    step: int = 0
    scores: Scores = Scores(0.0, 0.0, 0.0)
    each: Sequence[float] = ()
    """The interchange score of each variable, and the strict score of each idle part."""
    parts: Sequence[float] = ()


def retrain(
    pair: Pair,
    settings: Retraining | None = None,
    *,
    out: str | PathLike[str] | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Pair:
    """Return a pair whose wider gelu model was trained to the mechanism of ``pair``, which the compiler made.

    Training ends when behavior, interchange and strict scores reach ``settings.enough`` on inputs held out, or after
    ``settings.steps``; ``faithfulness()`` judges what came out. A training is kept in the folder ``out``, and goes on where
    it was when it is asked for again.

    >>> from janiform import programs
    >>> pair = programs.load("increment").compile(range(3), 3)
    >>> retrain(pair)
    Traceback (most recent call last):
        ...
    janiform.errors.InputError: increment has no heads and no units: there is no mechanism to train
    """
    settings = settings or Retraining()
    if pair.origin is not None or pair.model.config.normalization_type is not None:
        raise InputError("a plain pair is retrained, as the compiler makes it; pair.origin.pair may be one")
    if not pair.model.config.n_layers:
        names = ", ".join(pair.program.outputs)
        raise InputError(f"{names} has no heads and no units: there is no mechanism to train")
    layout = Layout.of(pair, settings.d_model, settings.heads, settings.d_mlp)
    state = _begin(layout, settings)
    folder, log = None if out is None else Path(out), None
    if folder is not None:
        agree(folder, asked_of(pair, **asdict(settings)))
        _restore(state, load_state(folder))
        log = Log.open(folder / "log.jsonl", step=state.step)
    for _ in _training(pair, layout, settings, state, tell):
        if folder is not None and log is not None:
            log.append(state.step, **asdict(state.scores))
            save_state(folder, *_kept(state))
    return _paired(pair, layout, state.model)


def _begin(layout: Layout, settings: Retraining) -> _State:
    model = Transformer(layout.config, seed=settings.seed)
    return _State(model, torch.optim.Adam(model.parameters(), lr=settings.rate, betas=BETAS))


def _training(
    pair: Pair,
    layout: Layout,
    settings: Retraining,
    state: _State,
    tell: Callable[[int, int], None] | None,
) -> Iterator[_State]:
    """Train, and yield at each validation; a step follows from the seed, its number and the last validation."""
    if state.step >= settings.steps or state.scores.least >= settings.enough:
        return
    strict = Strict(pair, layout)
    learned = Drills(pair, settings.batch, settings.stock, 2 * settings.seed)
    held_out = Drills(pair, settings.batch, VALIDATED, 2 * settings.seed + 1)
    while state.step < settings.steps and state.scores.least < settings.enough:
        falling = 0.5 + 0.5 * math.cos(math.pi * state.step / settings.steps)
        state.optimizer.param_groups[0]["lr"] = settings.rate * falling
        rng = np.random.default_rng([settings.seed, 19, state.step])
        which = _drawn(rng, state.each, len(learned.of), [bool(drills) for drills in learned.of])
        drill = learned.of[which][rng.integers(len(learned.of[which]))]
        idle = layout.idle[_drawn(rng, state.parts, len(layout.idle))]
        state.optimizer.zero_grad(set_to_none=True)
        shift = int(rng.integers(settings.batch))
        strict.loss(state.model, drill, strict.sites[which], idle, settings.strictness, shift).backward()
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
        state.optimizer.step()
        state.step += 1
        if tell is not None:
            tell(state.step, settings.steps)
        if state.step % settings.every == 0 or state.step == settings.steps:
            state.scores, state.each, state.parts = strict.scores(state.model, held_out)
            yield state


def _drawn(rng: np.random.Generator, scores: Sequence[float], count: int, able: Sequence[bool] = ()) -> int:
    """Draw one of ``count``, those that scored low more often."""
    weights = 1.02 - np.array(scores or [0.0] * count)
    weights = weights * (able or [True] * count)
    return int(rng.choice(count, p=weights / weights.sum()))


def _paired(pair: Pair, layout: Layout, model: Transformer) -> Pair:
    """Put a trained model beside the program, with what corresponds to what."""
    model.requires_grad_(False)
    theirs = pair.model.config.n_heads
    heads = tuple(h if h < theirs else None for h in range(layout.config.n_heads))
    found = replace(
        pair,
        model=model,
        places=layout.places,
        bound=Bound(math.inf, pair.bound.margin, "float32"),
        layout="retrained",
        origin=Origin(pair, (heads,) * layout.config.n_layers),
    )
    return replace(found, basis=_basis(found, pair))


def _basis(found: Pair, pair: Pair) -> Basis:
    """Read off by least squares where the coordinates of each variable lie in the stream of a trained pair."""
    dims = pair.model.config.d_model
    read, write = np.zeros((found.model.config.d_model, dims)), np.zeros((dims, found.model.config.d_model))
    batches = list(drawn(pair.signature, 400, 400, seed=3))
    for ours, theirs in zip(found.places, pair.places, strict=True):
        if not ours.dims:
            continue
        x, c = (
            np.concatenate([stream(p, place, codes).double().numpy() for codes in batches])
            for p, place in ((found, ours), (pair, theirs))
        )
        x, c = x - x.mean(0), (c - c.mean(0))[:, list(theirs.dims)]
        read[:, list(theirs.dims)] = np.linalg.lstsq(x, c, rcond=1e-6)[0]
        write[list(theirs.dims)] = np.linalg.lstsq(c, x, rcond=1e-6)[0]
    return Basis(read, write)


# --- the folder of a run ----------------------------------------------------------------------------------------------


def _kept(state: _State) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {f"model.{name}": p.detach() for name, p in state.model.named_parameters()}
    for name, p in state.model.named_parameters():
        for key, value in state.optimizer.state[p].items():
            tensors[f"{key}.{name}"] = value
    return tensors, {
        "step": state.step,
        "scores": asdict(state.scores),
        "each": state.each,
        "parts": state.parts,
    }


def _restore(state: _State, kept: tuple[dict[str, Tensor], dict[str, Any]] | None) -> None:
    """Put what was saved into a training that has not begun."""
    if kept is None:
        return
    tensors, facts = kept
    try:
        for name, p in state.model.named_parameters():
            p.data.copy_(tensors[f"model.{name}"])
            state.optimizer.state[p] = {
                key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")
            }
        state.step, state.each, state.parts = facts["step"], facts["each"], facts["parts"]
        state.scores = Scores(**facts["scores"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise FileError(
            f"the saved state is none of this training ({error}); delete it to begin anew"
        ) from None
