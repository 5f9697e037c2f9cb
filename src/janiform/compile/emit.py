"""From a schedule to weights: one pass over the slots, writing each head and MLP into NumPy arrays.

The numbers follow from three needs. Scores are whole multiples of a power of two, so that equal levels are equal in floating
point. The distance between levels makes everything below it vanish. ``units`` are the MLPs', ``precision`` bounds what errors remain.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from janiform.compile.attention import Head
from janiform.compile.outputs import Output
from janiform.compile.plan import Plan
from janiform.compile.precision import Arithmetic
from janiform.compile.result import Place
from janiform.compile.schedule import HeadRun, Schedule
from janiform.compile.units import GATE, STRAIGHT, power_above, steepness
from janiform.compile.variables import Form, Variable, at_bos, bound
from janiform.ir.nodes import Sequence
from janiform.ir.semantics import Signature

if TYPE_CHECKING:
    from janiform.compile.layout import Layout


class Emitter:
    """The weights being written, and where things are."""

    def __init__(
        self,
        schedule: Schedule,
        signature: Signature,
        layout: Layout,
        level_scale: float,
        arithmetic: Arithmetic,
    ) -> None:
        self.schedule, self.signature, self.layout = schedule, signature, layout
        self.level_scale, self.arithmetic = level_scale, arithmetic
        self.d_model = layout.d_model
        self.bos: int | None = 0 if layout.flags else None
        self.pad: int | None = 1 if layout.flags else None
        self.weights: dict[str, np.ndarray] = {}
        self.units: dict[Variable, tuple[int, ...]] = {}
        self.heads: dict[Variable, tuple[int, ...]] = {}
        self.extent = np.ones(self.d_model)
        for v in schedule.variables:
            np.maximum.at(self.extent, list(v.dims), v.bound)

    def sizes(self, outputs: list[Output]) -> dict[str, int]:
        """The settings of the model: heads as wide as their scores need, or wider where that takes fewer weights."""
        layers = range(self.schedule.n_layers)
        heads = [
            [(self.width(r.head), sum(len(v.labels) for v in r.writes)) for r in self.runs(i)] for i in layers
        ]
        needed = max((w for layer in heads for w, _ in layer), default=0)
        widest = max((n for layer in heads for _, n in layer), default=0)

        def n_heads(d_head: int) -> int:
            return max(sum(-(-n // d_head) for _, n in layer) for layer in heads)

        options = range(needed, max(needed, widest) + 1) if needed else ()
        d_head = min(options, key=lambda d: (d * n_heads(d), d), default=0)
        return {
            "n_layers": self.schedule.n_layers,
            "d_model": self.d_model,
            "n_heads": n_heads(d_head) if d_head else min(1, self.schedule.n_layers),
            "d_head": max(d_head, min(1, self.schedule.n_layers)),
            "d_mlp": max(
                (sum(self.n_units(v) for v in self.written(i)) + self.n_erasing(i) for i in layers), default=0
            ),
            "d_vocab": len(self.signature.vocab) + 2,
            "d_vocab_out": sum(out.width for out in outputs),
            "n_ctx": self.signature.max_len + 1,
        }

    @staticmethod
    def parameters(sizes: dict[str, int]) -> int:
        """How many weights a model of these sizes has."""
        d, dh, h, m = sizes["d_model"], sizes["d_head"], sizes["n_heads"], sizes["d_mlp"]
        layer = h * (4 * d * dh + 3 * dh) + d + 2 * d * m + m + d
        return (
            sizes["n_layers"] * layer
            + d * (sizes["d_vocab"] + sizes["n_ctx"])
            + (d + 1) * sizes["d_vocab_out"]
        )

    def write(self, sizes: dict[str, int], outputs: list[Output]) -> dict[str, np.ndarray]:
        """Write every weight."""
        self.embed()
        for i in range(self.schedule.n_layers):
            self.attention(i, self.runs(i), sizes["n_heads"], sizes["d_head"])
            self.mlp(i, self.written(i), sizes["d_mlp"])
        self.unembed(outputs)
        return self.weights

    def runs(self, layer: int) -> list[HeadRun]:
        """The heads of a layer."""
        return [r for r in self.schedule.runs if r.slot == 2 * layer + 1]

    def written(self, layer: int) -> list[Variable]:
        """What the MLP of a layer writes."""
        return [v for v in self.schedule.variables if v.slot == 2 * layer + 2]

    def n_units(self, v: Variable) -> int:
        """How many hidden units a variable takes."""
        return len(v.factors[1]) if v.factors is not None else len(v.units)

    def n_erasing(self, layer: int) -> int:
        """How many hidden units erase dead dimensions."""
        return 2 * len(self.layout.erased.get(2 * layer + 2, ()))

    def places(self, planned: Plan) -> tuple[Place, ...]:
        """Where each node of the program lives."""
        found = []
        kinds: dict[str, Literal["embed", "head", "mlp"]] = {
            "token": "embed",
            "position": "embed",
            "copy": "head",
            "raw": "head",
            "steps": "mlp",
            "product": "mlp",
        }
        for v in self.schedule.variables:
            layer = (v.slot - 1) // 2 if v.slot else None
            if v.node is not None:
                found.append(
                    Place(
                        v.node,
                        v.name,
                        kinds[v.kind],
                        layer,
                        self.heads.get(v, ()),
                        self.units.get(v, ()),
                        v.dims,
                        v.labels,
                    )
                )
        housed = {p.node for p in found}
        for n in planned.program.nodes():
            if n not in housed and isinstance(n, Sequence):
                found.append(Place(n, planned.name(n), "virtual", None))
        return tuple(found)

    def sizes_of_dims(self) -> np.ndarray:
        """Bound what each dimension of the stream can hold."""
        size = np.zeros(self.d_model)
        if self.layout.flags:
            size[:2] = 1.0
        for v in self.schedule.variables:
            np.maximum.at(size, list(v.dims), v.bound + v.error)
        return size

    # --- reading ------------------------------------------------------------------------------------------------------

    def vector(self, form: Form) -> np.ndarray:
        """The weights with which a form reads the residual stream."""
        w = np.zeros(self.d_model)
        for (v, j), c in form.terms.items():
            for r, dim in enumerate(v.dims):
                w[dim] += c * v.expand[j, r]
        return w

    # --- writing ------------------------------------------------------------------------------------------------------

    def embed(self) -> None:
        """Write token and position embeddings."""
        vocab, n = len(self.signature.vocab), self.signature.max_len
        token, position = np.zeros((vocab + 2, self.d_model)), np.zeros((n + 1, self.d_model))
        if self.bos is not None and self.pad is not None:
            token[vocab, self.bos] = token[vocab + 1, self.pad] = 1.0
        for v in self.schedule.variables:
            if v.kind == "token":
                token[:vocab, list(v.dims)] = v.basis.T
            elif v.kind == "position":
                position[1:, list(v.dims)] = v.basis.T
        self.weights["embed.W_E"], self.weights["pos_embed.W_pos"] = token, position

    def attention(self, layer: int, runs: list[HeadRun], n_heads: int, d_head: int) -> None:
        """Write the heads of one layer; a head with more values than fit is written several times."""
        shape = (n_heads, self.d_model, d_head)
        w_q, w_k, w_v = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        w_o = np.zeros((n_heads, d_head, self.d_model))
        b_q, b_k, b_v = (np.zeros((n_heads, d_head)) for _ in range(3))
        unit = self.arithmetic.score_unit(self.level_scale, d_head)
        h = 0
        for run in runs:
            scores = self.scores(run.head)
            columns = [(v, r, *run.head.values[i]) for v in run.writes for r, i in enumerate(v.head_columns)]
            for start in range(0, len(columns), d_head):
                for j, (q, qc, k, kc) in enumerate(scores):
                    w_q[h, :, j], b_q[h, j], w_k[h, :, j], b_k[h, j] = unit * q, unit * qc, k, kc
                for j, (v, r, form, offered) in enumerate(columns[start : start + d_head]):
                    w_v[h, :, j], b_v[h, j] = self.vector(form), form.const
                    assert self.bos is not None
                    w_v[h, self.bos, j] += offered - at_bos(form)
                    w_o[h, j, v.dims[r]] = 1.0
                    self.heads[v] = tuple(dict.fromkeys([*self.heads.get(v, ()), h]))
                h += 1
        for name, w in (
            ("W_Q", w_q),
            ("W_K", w_k),
            ("W_V", w_v),
            ("W_O", w_o),
            ("b_Q", b_q),
            ("b_K", b_k),
            ("b_V", b_v),
        ):
            self.weights[f"blocks.{layer}.attn.{name}"] = w
        self.weights[f"blocks.{layer}.attn.b_O"] = np.zeros(self.d_model)

    def scores(self, head: Head) -> list[tuple[np.ndarray, float, np.ndarray, float]]:
        """The (query, constant, key, constant) columns of a head, in levels: its own, then those that place BOS and PAD."""
        assert self.bos is not None and self.pad is not None
        columns = []
        for q, k in zip(head.queries, head.keys, strict=True):
            key = self.vector(k)
            key[self.bos] -= at_bos(k)
            columns.append((self.vector(q), q.const, key, k.const))
        zero, special = np.zeros(self.d_model), np.zeros(self.d_model)
        special[[self.bos, self.pad]] = 1.0
        reach = self.reach(head)
        place = zero.copy()
        if not head.needs_level:
            push = 2.0 * (reach + 2.0)
            place[self.bos], place[self.pad] = 1.0, 0.5
            columns.append(((push + 4.0 * (reach + 2.0)) * special, -push, place, 0.0))
            return columns
        level = head.level + Form({}, -0.5 if head.mode == "mean" else 0.0)
        lowest = head.lowest_level - (0.5 if head.mode == "mean" else 0.0)
        if lowest < 0.5:
            lift = math.ceil(1.0 - lowest)
            columns.append((zero, float(lift), -special, 1.0))
            level, lowest, reach = level + Form({}, float(lift)), lowest + lift, reach + lift
        place[self.bos], place[self.pad] = 1.0, -math.ceil((reach + 2.0) / lowest)
        top = math.ceil(reach + bound(level) + 4.0)
        columns.append((self.vector(level) + top * special, level.const, place, 0.0))
        return columns

    def reach(self, head: Head) -> float:
        """A bound on a head's own score, at whatever position."""
        return float(
            math.ceil(
                sum(
                    bound(q) * (bound(k) + abs(at_bos(k)))
                    for q, k in zip(head.queries, head.keys, strict=True)
                )
            )
        )

    def width(self, head: Head) -> int:
        """How many dimensions a head's scores take."""
        return len(self.scores(head))

    def mlp(self, layer: int, written: list[Variable], d_mlp: int) -> None:
        """Write the hidden units of one layer."""
        w_in, b_in = np.zeros((self.d_model, d_mlp)), np.zeros(d_mlp)
        w_out, b_out = np.zeros((d_mlp, self.d_model)), np.zeros(self.d_model)
        start = 0
        for v in written:
            read, const, out, base = self.hidden(v)
            stop = start + len(const)
            w_in[:, start:stop], b_in[start:stop] = read, const
            w_out[start:stop, list(v.dims)] = out
            b_out[list(v.dims)] = base
            self.units[v] = tuple(range(start, stop))
            start = stop
        for dim in self.layout.erased.get(2 * layer + 2, ()):
            for sign in (1.0, -1.0):
                w_in[dim, start], w_out[start, dim] = sign, -sign
                start += 1
        for name, w in (("W_in", w_in), ("b_in", b_in), ("W_out", w_out), ("b_out", b_out)):
            self.weights[f"blocks.{layer}.mlp.{name}"] = w

    def hidden(self, v: Variable) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The units of one variable: read weights, constants, what they write, and the base; shut at BOS and PAD."""
        if v.factors is not None:
            mean, gates, lowest = v.factors
            size = bound(mean) + abs(lowest)
            reads, consts = [], []
            for w, gate in gates:
                open_ = 2.0 ** math.ceil(math.log2(max(1.0, GATE * w * size)))
                reads.append(w * self.vector(mean) + open_ * self.vector(gate))
                consts.append(w * (mean.const - lowest) + open_ * (gate.const - 1.0))
            read, const = np.array(reads).T.reshape(self.d_model, len(gates)), np.array(consts)
            out, base = np.ones((len(gates), 1)), np.zeros(1)
            if self.arithmetic.normal:
                widest = max((w for w, _ in gates), default=0.0)
                steep = steepness(widest * size, self.arithmetic.unit)
                read, const, out = read * steep, const * steep, out / steep
        else:
            assert v.coordinate is not None
            read = np.outer(self.vector(v.coordinate), v.units.slope)
            const = v.units.offset + v.units.slope * v.coordinate.const
            out, base = v.units.out, v.units.base
        largest = np.abs(read).T @ self.extent + np.abs(const)
        assert self.bos is not None and self.pad is not None
        if len(const):
            shut = power_above(np.maximum(2 * largest, 2 * STRAIGHT) if self.arithmetic.normal else largest)
            read[self.bos] -= shut
            read[self.pad] -= shut
        return read, const, out, base

    def unembed(self, outputs: list[Output]) -> None:
        """Write one column for each class, or one for a number."""
        columns, consts = [], []
        for out in outputs:
            if out.nearest:
                x = self.vector(out.forms[0])
                for c in (n - out.middle for n in out.numbers):
                    columns.append(c * x)
                    consts.append(c * (out.forms[0].const - out.middle) - c * c / 2)
            else:
                for form in out.forms:
                    columns.append(self.vector(form))
                    consts.append(form.const)
        self.weights["unembed.W_U"], self.weights["unembed.b_U"] = (
            np.array(columns).T.copy(),
            np.array(consts),
        )
