"""Circuits as the JSON that EAP-IG writes and MIB exchanges: every node and edge of the model, and whether it is in the circuit.

Names are theirs and ours alike: ``input``, heads ``a0.h1``, MLPs ``m0``, ``logits``; edges ``input->a0.h1<q>``. An edge of the
circuit scores 1, any other 0. What their reader does not know stands under ``janiform``: the ablation, and which nodes of
the program each component holds.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform.files import write_whole
from janiform.pair.circuit import Ablation

if TYPE_CHECKING:
    from janiform.pair import Pair


def circuit_data(pair: Pair, ablation: Ablation = "resample", *, limit: int = 10_000) -> dict[str, Any]:
    """Return the circuit of a pair under an ablation as plain data.

    >>> from janiform import programs
    >>> found = circuit_data(programs.load("hist").compile("ab", 3))
    >>> found["cfg"]
    {'n_layers': 1, 'n_heads': 1, 'parallel_attn_mlp': False, 'd_model': 5}
    >>> found["edges"]["input->a0.h0<q>"], found["edges"]["input->logits"]
    ({'score': 1.0, 'in_graph': True}, {'score': 0.0, 'in_graph': False})
    """
    circuit = pair.circuit(ablation, "qkv", limit=limit)
    c, kept = pair.model.config, set(circuit.edges)
    return {
        "cfg": {
            "n_layers": c.n_layers,
            "n_heads": c.n_heads,
            "parallel_attn_mlp": False,
            "d_model": c.d_model,
        },
        "nodes": {name: {"in_graph": name in circuit.components} for name in _nodes(c.n_layers, c.n_heads)},
        "edges": {str(e): {"score": float(e in kept), "in_graph": e in kept} for e in circuit.possible},
        "janiform": {
            "ablation": circuit.ablation,
            "inputs": circuit.inputs,
            "exhaustive": circuit.exhaustive,
            "labels": {name: list(held) for name, held in circuit.labels.items()},
            "program": str(pair.program),
        },
    }


def save_circuit(
    pair: Pair, path: str | os.PathLike[str], ablation: Ablation = "resample", *, limit: int = 10_000
) -> Path:
    """Write the circuit of a pair to a JSON file."""
    content = json.dumps(circuit_data(pair, ablation, limit=limit), ensure_ascii=False, indent=1)
    write_whole(path, content.encode())
    return Path(path)


def _nodes(layers: int, heads: int) -> list[str]:
    """Every component, in the order of the network."""
    blocks = ([*(f"a{i}.h{h}" for h in range(heads)), f"m{i}"] for i in range(layers))
    return ["input", *(name for block in blocks for name in block), "logits"]
