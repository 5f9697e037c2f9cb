"""The narrowest residual stream that loses nothing: by rank, by where BOS lies, and by when each coordinate is read last.

*Rank*: of the coordinates that a variable has, only those combinations take room that something reads after they are
written. *Origin*: the stream is measured from where it is at BOS, and the readers' biases hold the rest. *Liveness*: a
coordinate that nobody reads any more is erased by two hidden units and holds a later one. Variables stay apart, so each
can still be read; the arithmetic is the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from janiform.errors import InputError
from janiform.model import Config
from janiform.pair.basis import Basis, Origin
from janiform.realistic.rebuild import rebuilt

if TYPE_CHECKING:
    from janiform.pair.pair import Pair

TOLERANCE = 1e-9
"""What is left of a column of length 1 is rounding below this."""


def narrowest(pair: Pair) -> int:
    """Return the least width at which ``compress_exactly`` loses nothing.

    >>> from janiform import programs
    >>> pair = programs.load("frac_prevs").compile(range(3), 5)
    >>> pair.model.config.d_model, narrowest(pair)
    (9, 8)
    """
    return _Stream(pair).narrowest


def compress_exactly(pair: Pair, d_model: int | None = None) -> Pair:
    """Return the pair with a stream of ``d_model``, or of the least width at which nothing is lost.

    InputError where ``d_model`` is less than that, and for a model whose stream is normalized or in a basis of its own.

    >>> from janiform import programs
    >>> pair = compress_exactly(programs.load("sort").compile(range(4), 5))
    >>> pair([3, 1, 2, 1]), pair.check().good
    ([1, 1, 2, 3], True)
    """
    stream = _Stream(pair)
    if d_model is not None and d_model < stream.narrowest:
        raise InputError(
            f"nothing is lost down to a width of {stream.narrowest}, not at {d_model}; "
            "method='autoencoder', 'linear' or 'orthogonal' goes below"
        )
    width = max(1, stream.narrowest if d_model is None else d_model)
    stream.assign(width)
    config, weights = stream.erasing(stream.weights(width), width)
    basis = stream.basis(pair, width)
    return rebuilt(pair, config, weights, basis=basis, origin=Origin(pair), layout="exact")


@dataclass(slots=True, eq=False)
class _Coordinate:
    """One axis of the new stream while it is alive: what it takes of the old axes, written from ``birth`` to ``death``."""

    takes: Float[np.ndarray, " d_model"]
    birth: int
    death: int
    at: int = -1


@dataclass(slots=True, eq=False)
class _Block:
    """Rows of what is written together, which may be put otherwise together, and the coordinates that hold them."""

    slot: int
    rows: Float[np.ndarray, "row d_model"]
    coordinates: list[_Coordinate] = field(default_factory=list)


class _Stream:
    """What is written and read at each slot: 0 for embeddings, 2i + 1 and 2i + 2 for attention and MLP of layer i, then the read-out."""

    def __init__(self, pair: Pair) -> None:
        self.config = config = pair.model.config
        if config.normalization_type is not None:
            raise InputError(
                f"under {config.normalization_type} normalization all of the stream matters to all; it cannot be narrowed"
            )
        if pair.basis is not None:
            raise InputError(
                "this pair is compressed or disguised already: its stream has a basis of its own; "
                "compress the pair that it was made from, pair.origin.pair"
            )
        self.w = {name: x.astype(np.float64) for name, x in pair.model.weights().items()}
        self.last = 2 * config.n_layers + 1
        self.reads = {s: self._reads(s) for s in range(1, self.last + 1)}
        token, position = self.w["embed.W_E"], self.w["pos_embed.W_pos"]
        self.origin = token[pair.codec.bos] + position[0]
        self.tokens = token - token[pair.codec.pad]
        self.tokens[pair.codec.bos] = 0.0
        self.positions = position + token[pair.codec.pad] - self.origin
        self.positions[0] = 0.0
        self.blocks = list(self._blocks(pair))
        for block in self.blocks:
            self._hold(block)
        self.erased: list[tuple[int, int]] = []
        self.narrowest = self.assign(None)

    def _reads(self, slot: int) -> Float[np.ndarray, "d_model column"]:
        """Return the columns through which a slot reads the stream."""
        if slot == self.last:
            return self.w["unembed.W_U"]
        layer = (slot - 1) // 2
        if slot % 2 == 0:
            return self.w[f"blocks.{layer}.mlp.W_in"]
        heads = [self.w[f"blocks.{layer}.attn.W_{letter}"] for letter in "QKV"]
        return np.concatenate([np.moveaxis(w, 0, 1).reshape(self.config.d_model, -1) for w in heads], 1)

    def _written(self, slot: int) -> Float[np.ndarray, "row d_model"]:
        """Return the rows that a slot writes in sums of them."""
        layer, d_model = (slot - 1) // 2, self.config.d_model
        if slot == 0:
            return np.concatenate([self.tokens, self.positions])
        if slot % 2 == 0:
            names = (f"blocks.{layer}.mlp.W_out", f"blocks.{layer}.mlp.b_out")
        else:
            names = (f"blocks.{layer}.attn.W_O", f"blocks.{layer}.attn.b_O")
        return np.concatenate([self.w[name].reshape(-1, d_model) for name in names])

    def _blocks(self, pair: Pair) -> Iterator[_Block]:
        """Yield what can be put otherwise: the embeddings, the axes of each variable; axes written at several slots stay."""
        slots = range(self.last)
        writing = {s: np.abs(self._written(s)).max(0, initial=0.0) > 0 for s in slots}
        times = np.sum([writing[s] for s in slots], axis=0)
        for dim in np.flatnonzero(times > 1):
            written = [s for s in slots if writing[s][dim]]
            read = [s for s in self.reads if self.reads[s][dim].any()]
            axis = np.eye(self.config.d_model)[dim]
            kept = _Coordinate(axis, written[0], max([*read, *written]))
            yield _Block(-1, axis[None], [kept] if read else [])
        once = times == 1
        for table in (self.tokens, self.positions):
            yield _Block(0, table * once)
        for slot in slots[1:]:
            left = writing[slot] & once
            for place in pair.places:
                dims = [d for d in place.dims if left[d]]
                if dims:
                    left[dims] = False
                    yield _Block(slot, self._written(slot) * np.isin(np.arange(len(left)), dims))
            for dim in np.flatnonzero(left):
                yield _Block(slot, self._written(slot) * (np.arange(len(left)) == dim))

    def _hold(self, block: _Block) -> None:
        """Choose the fewest coordinates that hold what is read of a block, each as long as it is read; axes where they do."""
        if block.slot < 0:
            return
        support = np.abs(block.rows).max(0, initial=0.0) > 0
        axes = np.eye(self.config.d_model)[support]
        seen = {s: block.rows @ self.reads[s] for s in self.reads if s > block.slot}
        held = np.zeros((len(block.rows), 0))
        for slot in sorted(seen, reverse=True):
            room = _span(np.concatenate([seen[s] for s in seen if s >= slot], 1))
            axes_first = [a for a in axes if not _left(block.rows @ a, room).any()]
            for take in (*axes_first, *(self.reads[slot].T * support)):
                if held.shape[1] == room.shape[1]:
                    break
                value = block.rows @ take
                new = _left(value, held)
                if new.any():
                    held = np.column_stack([held, new / np.linalg.norm(new)])
                    scale = (
                        2.0 ** -np.round(np.log2(np.abs(value).max())) if np.count_nonzero(take) > 1 else 1.0
                    )
                    block.coordinates.append(_Coordinate(scale * take, block.slot, slot))

    def assign(self, width: int | None) -> int:
        """Give each coordinate an axis, erased before if it was another's; of ``width`` axes, or of as few as can be."""
        free: list[tuple[int, int]] = []
        used, self.erased = 0, []
        for c in sorted((c for b in self.blocks for c in b.coordinates), key=lambda c: c.birth):
            usable = [f for f in free if 0 < f[0] <= c.birth]
            if usable and (width is None or used == width):
                free.remove(usable[0])
                slot, c.at = usable[0]
                self.erased.append((slot // 2 - 1, c.at))
            else:
                c.at, used = used, used + 1
            if self.config.act_fn == "relu":
                free.append((c.death + c.death % 2, c.at))
        return used

    def weights(self, width: int) -> dict[str, np.ndarray]:
        """Return the weights that write the coordinates and read them."""
        new = dict(self.w)
        token, position = (b for b in self.blocks if b.slot == 0)
        kept = [b for b in self.blocks if b.slot < 0]
        new["embed.W_E"] = self.tokens @ self._into([token, *kept], width)
        new["pos_embed.W_pos"] = self.positions @ self._into([position, *kept], width)
        for slot in range(1, self.last + 1):
            layer, read = f"blocks.{(slot - 1) // 2}.", self._read_back(slot, width)
            into = self._into([b for b in self.blocks if b.slot in (-1, slot)], width)
            if slot == self.last:
                names, written = ["unembed.W_U"], []
            elif slot % 2 == 0:
                names, written = [layer + "mlp.W_in"], [layer + "mlp.W_out", layer + "mlp.b_out"]
            else:
                names = [layer + "attn.W_" + letter for letter in "QKV"]
                written = [layer + "attn.W_O", layer + "attn.b_O"]
            for name, columns in zip(names, np.split(read, len(names), 1), strict=True):
                bias = name.replace(".W_", ".b_")
                new[name] = _by_heads(columns, self.w[name].shape)
                new[bias] = self.w[bias] + self.origin @ self.w[name]
            for name in written:
                new[name] = self.w[name] @ into
        return new

    def _into(self, blocks: list[_Block], width: int) -> Float[np.ndarray, "d_model width"]:
        """Return what turns rows of some blocks into coordinates."""
        into = np.zeros((self.config.d_model, width))
        for c in (c for b in blocks for c in b.coordinates):
            into[:, c.at] += c.takes
        return into

    def _read_back(self, slot: int, width: int) -> Float[np.ndarray, "width column"]:
        """Return the columns through which a slot reads the coordinates that are alive, and sees what it saw."""
        read = np.zeros((width, self.reads[slot].shape[1]))
        for block in self.blocks:
            alive = [c for c in block.coordinates if c.birth < slot <= c.death]
            if not alive:
                continue
            takes = np.array([c.takes for c in alive]).T
            seen = takes.T @ self.reads[slot]
            if not (block.rows == block.rows @ takes @ takes.T).all():  # not just axes, all of them
                seen = np.linalg.lstsq(block.rows @ takes, block.rows @ self.reads[slot], rcond=None)[0]
            read[[c.at for c in alive]] = seen
        return read

    def erasing(self, weights: dict[str, np.ndarray], width: int) -> tuple[Config, dict[str, np.ndarray]]:
        """Add the hidden units that erase, in place of idle ones where there are any, and return the shape."""
        idle = {
            i: [u for u, row in enumerate(self.w[f"blocks.{i}.mlp.W_out"]) if not row.any()]
            for i in range(self.config.n_layers)
        }
        wanted = {i: 2 * sum(layer == i for layer, _ in self.erased) for i in idle}
        more = max((wanted[i] - len(idle[i]) for i in idle), default=0)
        config = replace(self.config, d_model=width, d_mlp=self.config.d_mlp + max(0, more))
        shapes = dict(config.shapes())
        grown = {
            n: np.pad(w, [(0, b - a) for a, b in zip(w.shape, shapes[n], strict=True)])
            for n, w in weights.items()
        }
        free = {i: [*idle[i], *range(self.config.d_mlp, config.d_mlp)] for i in idle}
        for layer, at in self.erased:
            read, bias, out = (grown[f"blocks.{layer}.mlp.{key}"] for key in ("W_in", "b_in", "W_out"))
            for sign in (1.0, -1.0):
                u = free[layer].pop(0)
                read[:, u], bias[u] = 0.0, 0.0
                read[at, u], out[u, at] = sign, -sign
        return config, grown

    def basis(self, pair: Pair, width: int) -> Basis:
        """Return where the old axes of each variable lie in the new stream."""
        write = self._into(self.blocks, width)
        read = np.zeros(write.T.shape)
        for place in pair.places:
            if place.dims:
                read[:, list(place.dims)] = np.linalg.pinv(write[list(place.dims)])
        return Basis(read, write)


def _by_heads(columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give columns of all heads side by side the shape of a weight, head first."""
    return (
        columns if len(shape) == 2 else np.moveaxis(columns.reshape(len(columns), shape[0], shape[2]), 1, 0)
    )


def _span(columns: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row rank"]:
    """Return an orthonormal basis of what columns span, each counted as if of length 1."""
    sizes = np.linalg.norm(columns, axis=0)
    u, s, _ = np.linalg.svd(columns[:, sizes > 0] / sizes[sizes > 0], full_matrices=False)
    return u[:, s > TOLERANCE * s.max(initial=0.0)]


def _left(
    column: Float[np.ndarray, " row"], basis: Float[np.ndarray, "row rank"]
) -> Float[np.ndarray, " row"]:
    """Return what of a column is not in a span: nothing at all where it is rounding."""
    left = column - basis @ (basis.T @ column)
    left -= basis @ (basis.T @ left)
    return left if np.linalg.norm(left) > 1e3 * TOLERANCE * np.linalg.norm(column) else np.zeros(len(left))
