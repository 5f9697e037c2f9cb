"""What a compiled model needs before it can take GPT-2's shape: a layer, a head and a unit at least, and read-outs apart.

A tied unembedding reads by the vectors that tokens are embedded with. So its outputs lie in coordinates that no token
writes: every component that writes what an output reads writes a copy of it there; what the token embedding itself writes
is copied by the last MLP, x being gelu(x) - gelu(-x) as it is relu(x) - relu(-x).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from janiform.compile.result import Compiled, Place
from janiform.model import Config


def with_a_layer(compiled: Compiled) -> Compiled:
    """Return the model with one layer, head and hidden unit at least; what is new does nothing.

    >>> from janiform.compile import compile_program
    >>> from janiform.ir.semantics import Signature
    >>> from janiform import programs
    >>> bare = compile_program(programs.load("increment"), Signature(range(3), 4))
    >>> bare.config["n_layers"], with_a_layer(bare).config["n_layers"]
    (0, 1)
    """
    c = compiled.config
    config = {**c, **{name: max(c[name], 1) for name in ("n_layers", "n_heads", "d_head", "d_mlp")}}
    return replace(compiled, config=config, weights=_grown(compiled.weights, c, config))


def with_copies(compiled: Compiled) -> Compiled:
    """Return the model with everything that outputs read in coordinates of their own, which no token writes."""
    plain = compiled.weights
    read = np.flatnonzero(plain["unembed.W_U"].any(1))
    token = plain["embed.W_E"][:, read].any(0)
    written, copied = read[~token], read[token]
    d, c = compiled.config["d_model"], compiled.config
    last = f"blocks.{c['n_layers'] - 1}.mlp"
    units = c["d_mlp"]
    config = {**c, "d_model": d + len(read), "d_mlp": units + 2 * len(copied)}
    w = _grown(plain, c, config)
    own = d + np.flatnonzero(~token)
    for name in w:
        if name.endswith(("W_pos", "W_O", "b_O", "W_out", "b_out")):
            w[name][..., own] = w[name][..., written]
    for j, (source, to) in enumerate(zip(copied, d + np.flatnonzero(token), strict=True)):
        for k, sign in enumerate((1.0, -1.0)):
            unit = units + 2 * j + k
            w[f"{last}.W_in"][source, unit] = w[f"{last}.W_out"][unit, to] = sign
    w["unembed.W_U"][d:] = plain["unembed.W_U"][read]
    w["unembed.W_U"][:d] = 0
    copies = dict(zip(written.tolist(), own.tolist(), strict=True))
    return replace(
        compiled,
        config=config,
        weights=w,
        extent=np.concatenate([compiled.extent, compiled.extent[read]]),
        places=tuple(_copied(p, copies) for p in compiled.places),
    )


def _copied(place: Place, copies: dict[int, int]) -> Place:
    """Return a place that holds its copies too."""
    again = [(d, m) for d, m in zip(place.dims, place.meaning, strict=True) if d in copies]
    return replace(
        place,
        dims=(*place.dims, *(copies[d] for d, _ in again)),
        meaning=(*place.meaning, *(f"{m}, for the output" for _, m in again)),
    )


def _grown(plain: dict[str, np.ndarray], old: dict[str, Any], new: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return weights in the shapes of a larger config, zero where there were none."""
    grown = {}
    for name, shape in Config.from_dict(new).shapes():
        have = plain.get(name, np.zeros([0] * len(shape)))
        grown[name] = np.pad(have, [(0, to - n) for n, to in zip(have.shape, shape, strict=True)])
        grown[name] = grown[name].astype(old["dtype"])
    return grown
