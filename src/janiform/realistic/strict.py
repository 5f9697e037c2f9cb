"""What a retrained model is taught and held to: answers, interchange interventions, and that nothing else matters.

Each variable of the program has heads and hidden units of its own in the wider model. *Behavior*: answers are the
program's. *Interchange*: with a variable's activations from another input, answers are the program's under the same change
(Geiger et al. 2022, IIT). *Strict*: heads and units that no variable has may be those of another input, and answers stay
(Gupta et al. 2024, InterpBench, SIIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from janiform.compile.result import Place, Readout
from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.model.hooks import Hook
from janiform.pair.codec import classes
from janiform.pair.inputs import drawn
from janiform.realistic.faithfulness import agrees
from janiform.realistic.interchange import Meaning, Site, Swap, sites, swap
from janiform.realistic.lessons import Record, recorded

if TYPE_CHECKING:
    from janiform.pair.pair import Pair


POOL = 32
"""Of how many inputs, in batches, interventions are made; of few, what is held out has inputs that were never learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The shape of a wider model, which parts of it hold which variables, and the parts that hold none."""

    config: Config
    places: tuple[Place, ...]
    idle: tuple[Site, ...]

    @classmethod
    def of(cls, pair: Pair, d_model: int, heads: int, d_mlp: int) -> Layout:
        """Keep the heads of a compiled pair, give each variable that has units a block of the wider model's, and leave one block.

        >>> from janiform import programs
        >>> layout = Layout.of(programs.load("hist").compile("abc", 4), 32, 4, 64)
        >>> [p.units[-1] for p in layout.places if p.units], [site.name for site in layout.idle]
        ([31], ['a0.h1', 'a0.h2', 'a0.h3', 'm0'])
        """
        old = pair.model.config
        heads = max(heads, old.n_heads)
        config = replace(
            old,
            d_model=d_model,
            n_heads=heads,
            d_head=max(8, d_model // heads),
            d_mlp=d_mlp,
            act_fn="gelu",
            dtype="float32",
        )
        blocks: dict[tuple[str, int], tuple[int, ...]] = {}
        idle: list[Site] = []
        known = sites(pair)
        for i in range(old.n_layers):
            at = f"blocks.{i}.mlp.hook_post"
            mine = [k for k, s in enumerate(known) if at in s.names]
            size = d_mlp // (len(mine) + 1)
            if not size:
                raise InputError(
                    f"layer {i} needs {len(mine) + 1} hidden units or more, one for each of its variables and one that is "
                    f"idle; got d_mlp={d_mlp}"
                )
            for j, k in enumerate(mine):
                blocks[at, k] = tuple(range(j * size, (j + 1) * size))
            z = f"blocks.{i}.attn.hook_z"
            busy = {h for s in known for name, part in s.points if name == z for h in part or ()}
            idle += [Site(f"a{i}.h{h}", (), ((z, (h,)),)) for h in range(heads) if h not in busy]
            idle.append(Site(f"m{i}", (), ((at, tuple(range(len(mine) * size, d_mlp))),)))

        last = {place.node: k for k, place in enumerate(pair.places) if place.dims}

        def moved(k: int, place: Place) -> Place:
            if last.get(place.node) != k:  # what stands there before a variable is whole is not trained
                place = replace(place, dims=(), meaning=())
            if not place.units:
                return place
            at = f"blocks.{place.layer}.mlp.hook_post"
            found = [
                blocks[at, j] for j, s in enumerate(known) if place.node in s.nodes and (at, j) in blocks
            ]
            return replace(place, units=found[0] if found else ())

        return cls(config, tuple(moved(k, p) for k, p in enumerate(pair.places)), tuple(idle))


@dataclass(frozen=True, slots=True, eq=False)
class Drill:
    """Interventions on one variable with what is right under them, and what is right without, on both inputs.

    Where ``padded``, inputs are padded to the full context, and the positions of the intervention likewise.
    """

    swap: Swap
    padded: bool
    base: dict[str, Int[Tensor, "batch length"]]
    source: dict[str, Int[Tensor, "batch length"]]
    swapped: dict[str, Int[Tensor, "batch length"]]


class Drills:
    """A stock of interventions on each variable of a pair, drawn from a seed."""

    def __init__(self, pair: Pair, batch: int, count: int, seed: int) -> None:
        self.pair, self.meaning = pair, Meaning.of(pair)
        rng = np.random.default_rng([seed, 17])
        batches = list(drawn(pair.signature, POOL * batch, POOL * batch, seed=seed))
        self.of = [list(self._drawn(s, batches, batch, count, rng)) for s in sites(pair)]

    def _drawn(
        self, site: Site, batches: list[np.ndarray], batch: int, count: int, rng: np.random.Generator
    ) -> Iterator[Drill]:
        """Draw interventions as a verdict does, those that change an answer first, and only what the compiled pair can do."""
        made = 0
        count = max(count, 2 * len(batches))
        for i in range(3 * count):
            codes = batches[i // 2 % len(batches)]  # every length has its turn, as it stands and scattered
            scattered = i % 2 == 0
            other = batches[rng.integers(len(batches))] if scattered else codes
            base, source = (x[rng.integers(len(x), size=2 * batch)] for x in (codes, other))
            found = swap(self.pair, self.meaning, site.nodes, base, source, rng, scattered=scattered)
            if len(found.base):
                found = found.part(np.flatnonzero(agrees(self.pair, site, found)))
                found = found.part(_balanced(found.changed, batch))
            if not len(found.base):
                continue
            base_right, source_right = self._right(found.base), self._right(found.source)
            swapped = {name: torch.from_numpy(x) for name, x in found.expected.items()}
            padded = bool(rng.integers(2))
            if padded:
                more = self.pair.signature.max_len - found.base.shape[1]
                found = replace(found, origin=np.pad(found.origin, ((0, 0), (0, more)), constant_values=-1))
            yield Drill(found, padded, base_right, source_right, swapped)
            made += 1
            if made == count:
                return

    def _right(self, codes: np.ndarray) -> dict[str, Tensor]:
        plain = swap(self.pair, self.meaning, (), codes, codes, np.random.default_rng(0))
        return {name: torch.from_numpy(x) for name, x in plain.expected.items()}


@dataclass(frozen=True, slots=True)
class Scores:
    """The shares of inputs that are answered rightly throughout: plainly, under interchange, and with idle parts exchanged.

    The last two are those of the variable, and of the part, that does worst. Of interventions on a variable those that change
    an answer and those that change none are counted apart, as in ``faithfulness()``, and the lesser share is taken.
    """

    behavior: float
    interchange: float
    strict: float

    @property
    def least(self) -> float:
        """The worst of the three."""
        return min(self.behavior, self.interchange, self.strict)


class Strict:
    """The losses and the scores of a model that is to have the mechanism of a pair."""

    def __init__(self, pair: Pair, layout: Layout) -> None:
        self.pair, self.idle = pair, layout.idle
        self.sites = sites(replace(pair, places=layout.places))

    def loss(
        self, model: Transformer, drill: Drill, site: Site, idle: Site, strictness: float, shift: int
    ) -> Tensor:
        """Return the sum of the three losses on a drill of one variable and one idle part.

        Whatever an idle part takes from another input, answers stay: it takes it from the input ``shift`` rows away, so one
        drill is many.
        """
        cache = self._run(model, drill.swap.source, drill.padded, [*site.names, *idle.names])
        other = {name: cache[name].roll(shift, 0) for name in idle.names}
        behavior = self._short(cache["logits"], drill.source)
        swapped, kept = (
            self._run(model, drill.swap.base, drill.padded, [], drill.swap.hooks(part, source))["logits"]
            for part, source in ((site, cache), (idle, other))
        )
        return behavior + self._short(swapped, drill.swapped) + strictness * self._short(kept, drill.base)

    def scores(self, model: Transformer, drills: Drills) -> tuple[Scores, list[float], list[float]]:
        """Return the scores on a stock of drills, and those of each variable and of each idle part."""
        with torch.no_grad():
            plain = [self._told(model, d, d.base) for found in drills.of for d in found]
            each = [
                [self._told(model, d, d.swapped, site) for d in found]
                for site, found in zip(self.sites, drills.of, strict=True)
            ]
            first = next((found for found in drills.of if found), [])
            apart = [[self._told(model, d, d.base, part) for d in first] for part in self.idle]
        shares = [_lesser(x, found) for x, found in zip(each, drills.of, strict=True)]
        parts = [_share(x) for x in apart]
        return Scores(_share(plain), min(shares, default=1.0), min(parts, default=1.0)), shares, parts

    def _told(
        self, model: Transformer, drill: Drill, right: dict[str, Tensor], part: Site | None = None
    ) -> np.ndarray:
        """Return which inputs are answered rightly throughout, with a part as it is on the source."""
        hooks: list[tuple[str, Hook]] = []
        if part is not None:
            cache = self._run(model, drill.swap.source, drill.padded, part.names)
            hooks = drill.swap.hooks(part, cache)
        logits = self._run(model, drill.swap.base, drill.padded, [], hooks)["logits"].numpy()
        told = [(classes(r, logits) == right[r.name].numpy()).all(1) for r in self.pair.readouts]
        return np.asarray(np.logical_and.reduce(told))

    def _run(
        self,
        model: Transformer,
        codes: np.ndarray,
        padded: bool,
        points: list[str],
        hooks: list[tuple[str, Hook]] | None = None,
    ) -> Record:
        """Run the model on numbered tokens; logits are those at tokens."""
        length = codes.shape[1]
        ids = torch.from_numpy(
            self.pair.codec.frame(codes, self.pair.signature.max_len if padded else length)
        )
        positions = torch.arange(ids.shape[1])
        record = recorded(model, dict(model.named_parameters()), ids, positions, points, hooks or [])
        return {**record, "logits": record["logits"][:, 1 : 1 + length]}

    def _short(self, logits: Tensor, right: dict[str, Tensor]) -> Tensor:
        losses = [short(r, logits[..., r.start : r.stop], right[r.name]) for r in self.pair.readouts]
        return torch.stack(losses).sum()


def short(readout: Readout, logits: Tensor, right: Int[Tensor, "batch length"]) -> Tensor:
    """Return the loss of a read-out: cross-entropy of a class, the error of a number in halves of its values' distance.

    >>> r = Readout("n", "number", 0, 1, (0, 1, 2))
    >>> short(r, torch.tensor([[[1.0], [2.0]]]), torch.tensor([[1, 2]]))
    tensor(0.)
    """
    known = right >= 0
    if readout.kind != "number":
        return F.cross_entropy(logits.flatten(0, 1), torch.where(known, right, -1).flatten(), ignore_index=-1)
    values = torch.tensor([float(v) for v in readout.values])  # type: ignore[arg-type]
    half = values.unique().diff().min() / 2 if len(values.unique()) > 1 else torch.tensor(0.5)
    off = torch.where(known, (logits[..., 0] - values[right.clamp(min=0)]) / half, 0.0)
    loss = F.smooth_l1_loss(off, torch.zeros_like(off))
    if readout.width == 2:
        loss = loss + F.smooth_l1_loss(4 * logits[..., 1], 4 * known.to(logits))
    return loss


def _share(told: list[np.ndarray]) -> float:
    return float(np.concatenate(told).mean()) if told else 1.0


def _lesser(told: list[np.ndarray], drills: list[Drill]) -> float:
    """Return the lesser share of two: of interventions that change an answer, and of those that change none."""
    if not told:
        return 1.0
    good, changed = np.concatenate(told), np.concatenate([d.swap.changed for d in drills])
    return min(float(part.mean()) for part in (good[changed], good[~changed]) if len(part))


def _balanced(changed: Bool[np.ndarray, " row"], count: int) -> Int[np.ndarray, " row"]:
    """Choose rows, three in four that change something as far as there are so many.

    >>> _balanced(np.array([False, True, False, False, True, True, True]), 4)
    array([0, 1, 4, 5])
    """
    some, none = np.flatnonzero(changed), np.flatnonzero(~changed)
    first = some[: max(count - count // 4, count - len(none))]
    return np.sort(np.concatenate([first, none[: count - len(first)]]))
