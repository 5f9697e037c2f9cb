"""Hidden units as tables: what a layer of them writes, as fields of the sources that each group of units depends on.

Units are grouped by what they depend on; a group's output follows from its inputs' tables by the network's own arithmetic.
"""

from __future__ import annotations

import numpy as np

from janiform.decompile.compiled import steps
from janiform.decompile.compiled.fields import Field, added, nested, tidy, together, varies, without
from janiform.decompile.compiled.joins import join_counts, join_products
from janiform.decompile.compiled.network import Layer
from janiform.decompile.compiled.stream import Stream
from janiform.ir.canonical.mechanism import Source


def read_mlp(stream: Stream, layer: Layer) -> None:
    """Add to the stream what the hidden units of a layer write."""
    d_mlp = layer.W_in.shape[1]
    at_bos = np.maximum(stream.at_bos(layer.W_in, layer.b_in), 0.0) @ layer.W_out + layer.b_out
    stream.constant = stream.constant + layer.b_out
    if not d_mlp:
        stream.bos = stream.bos + at_bos
        return
    constant = stream.constant - layer.b_out
    parts = [f.read(layer.W_in) for f in stream.fields]
    before = constant @ layer.W_in + layer.b_in
    before = before + sum(a.base(layer.W_in) for a in stream.averages)
    size = np.abs(before)
    for rows in (*(f.rows() for f in parts), *(a.rows(layer.W_in) for a in stream.averages)):
        size = np.maximum(size, np.abs(rows).max(0))
    for a in stream.averages:
        parts += a.read(layer.W_in, stream.tolerance * size)
    raw = together(parts)
    parts = nested(raw)
    for f in parts:
        size = np.maximum(size, np.abs(f.rows()).max(0))
    tolerance = stream.tolerance * np.maximum(size, 1e-30)
    groups = _groups(parts, tolerance, d_mlp)
    found = []
    for keys, units in groups.items():
        own = [p for f in raw if (p := _along(f, keys, units)) is not None]
        if not keys:
            fixed = sum((f.rows()[0][units] for f in parts), before[units])
            stream.constant = stream.constant + np.maximum(fixed, 0.0) @ layer.W_out[units]
            continue
        scaled = [Field(f.keys, f.maps, f.table / size[units]) for f in own]
        tidied = join_counts(
            [tidy(f, stream.tolerance) for f in scaled], stream.placed, stream.grid, stream.tolerance
        )
        rest = sum((f.rows()[0][units] for f in raw if not set(f.keys) & set(keys)), before[units])
        whole = added(tidied)
        read = whole.table * size[units] + rest
        found.append(Field(whole.keys, whole.maps, _written(stream, read, layer.W_out[units])))
    largest = max((float(np.abs(f.table).max(initial=0.0)) for f in found), default=0.0)
    for f in found:
        f = tidy(_joined(stream, f, stream.tolerance * largest), stream.tolerance * largest)
        f = join_products(with_holes(stream, f), stream.averaged, stream.grid, stream.tolerance)
        stream.write(f, np.zeros(len(stream.bos)))
    stream.bos = stream.bos + at_bos


def _written(stream: Stream, read: np.ndarray, out: np.ndarray) -> np.ndarray:
    """What rectified units write, of what they read in each cell."""
    if not stream.noisy:
        return np.maximum(read, 0.0) @ out
    flat, noise = steps.written(read.reshape(-1, len(out)), out, stream.tolerance)
    stream.noise = max(stream.noise, noise)
    return flat.reshape(*read.shape[:-1], -1)


def _joined(stream: Stream, f: Field, tolerance: float) -> Field:
    """Join products before noise merges what stands between them, where there is any."""
    if not stream.noisy:
        return f
    return join_products(without(f, tolerance), stream.averaged, stream.grid, stream.tolerance)


def _groups(parts: list[Field], tolerance: np.ndarray, d_mlp: int) -> dict[tuple[object, ...], np.ndarray]:
    """Units by the sources that they depend on."""
    keys = list(dict.fromkeys(k for f in parts for k in f.keys))
    depends = np.zeros((d_mlp, len(keys)), bool)
    for f in parts:
        for axis, k in enumerate(f.keys):
            depends[:, keys.index(k)] |= varies(f, axis, tolerance)
    groups: dict[tuple[object, ...], list[int]] = {}
    for u, row in enumerate(depends):
        groups.setdefault(tuple(keys[i] for i in np.flatnonzero(row)), []).append(u)
    return {k: np.array(v) for k, v in groups.items()}


def _along(f: Field, keys: tuple[object, ...], units: np.ndarray) -> Field | None:
    """A part as a field of the sources that matter to these units."""
    if not set(f.keys) & set(keys):
        return None
    table, maps, kept = f.table[..., units], [], []
    axis = 0
    for k, m in zip(f.keys, f.maps, strict=True):
        if k in keys:
            kept.append(k)
            maps.append(m)
            axis += 1
        else:
            table = table.take(0, axis)
    return Field(tuple(kept), tuple(maps), table)


def with_holes(stream: Stream, f: Field) -> Field:
    """Where a mean matters only if no value is the lowest, that value is undefined."""
    for s in f.keys:
        if not (isinstance(s, Source) and s.kind == "mean"):
            continue
        for a in stream.averages:
            found = a.with_holes(s)
            if found is None:
                continue
            view, cut = found
            classes = f.maps[f.keys.index(s)]
            numbers = np.array([float(v) for v in s.values])  # type: ignore[arg-type]
            below = classes[(numbers < cut)]
            if view.function.keys and len(set(below.tolist())) == 1:
                codes = [
                    int(np.abs(numbers - (0.0 if v is None else float(v))).argmin())
                    for v in view.values  # type: ignore[arg-type]
                ]
                new = view.function.keys[0]
                maps = tuple(m[codes] if k is s else m for k, m in zip(f.keys, f.maps, strict=True))
                f = Field(tuple(new if k is s else k for k in f.keys), maps, f.table)
                break
    return f
