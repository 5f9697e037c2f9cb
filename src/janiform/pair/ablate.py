"""Run a model with edges cut: a reader sees, in place of what a writer wrote, what the ablation puts there.

Everything else is computed as usual, so cutting the edges outside a circuit tests whether the circuit is enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from janiform.errors import InputError
from janiform.model.hooks import Hook, HookPoint, NameFilter
from janiform.pair.circuit import Ablation, Edge
from janiform.pair.wiring import Wiring

if TYPE_CHECKING:
    from janiform.pair.pair import Pair


def replacements(
    pair: Pair, ablation: Ablation, others: Int[Tensor, "batch pos"] | None = None
) -> dict[str, Float[Tensor, "#batch #pos d_model"]]:
    """Return what takes each writer's place: nothing, its values on ``others``, or their mean."""
    model = pair.model
    if ablation == "zero":
        zero = torch.zeros(1, 1, model.config.d_model, dtype=torch.float64, device=model.device)
        return dict.fromkeys(Wiring(model).writers, zero)
    if others is None:
        raise InputError(f"{ablation} ablation needs other inputs to take activations from")
    with torch.no_grad():
        written = dict(Wiring(model).written(others))
    return (
        written if ablation == "resample" else {name: x.mean(0, keepdim=True) for name, x in written.items()}
    )


def run_without(
    pair: Pair,
    ids: Int[Tensor, "batch pos"],
    edges: Iterable[Edge],
    instead: dict[str, Float[Tensor, "#batch #pos d_model"]],
) -> Float[Tensor, "batch pos logit"]:
    """Return logits of a run, in float64, in which readers see ``instead`` of the writers along ``edges``."""
    wiring = Wiring(pair.model)
    cuts = _cuts(wiring, edges)
    now: dict[str, Tensor] = {}

    def change(reader: str) -> Tensor | float:
        total: Tensor | float = 0.0
        for writer, position in cuts.get(reader, ()):
            delta = instead[writer] - now[writer]
            if position is not None:
                here = torch.zeros(delta.shape[1], 1, dtype=delta.dtype, device=delta.device)
                here[position] = 1
                delta = delta * here
            total = total + delta
        return total

    def keep(writer: str) -> Hook:
        return lambda value, hook: now.__setitem__(writer, value)

    def keep_heads(layer: int) -> Hook:
        def hook_result(value: Tensor, hook: HookPoint) -> None:
            now.update({f"a{layer}.h{h}": value[:, :, h] for h in range(value.shape[2])})

        return hook_result

    def cut(reader: str) -> Hook:
        return lambda value, hook: value + change(reader)

    def cut_heads(layer: int, letter: str) -> Hook:
        def hook_input(value: Tensor, hook: HookPoint) -> Tensor:
            return torch.stack(
                [x + change(f"a{layer}.h{h}<{letter}>") for h, x in enumerate(value.unbind(2))], 2
            )

        return hook_input

    hooks: list[tuple[NameFilter, Hook]] = [("hook_embed", keep("tok")), ("hook_pos_embed", keep("pos"))]
    config = wiring.model.config
    for i in range(config.n_layers):
        if config.n_heads:
            hooks += [(f"blocks.{i}.hook_{c}_input", cut_heads(i, c)) for c in "qkv"]
            hooks.append((f"blocks.{i}.attn.hook_result", keep_heads(i)))
        hooks += [(f"blocks.{i}.hook_mlp_in", cut(f"m{i}")), (f"blocks.{i}.hook_mlp_out", keep(f"m{i}"))]
    last = f"blocks.{config.n_layers - 1}.hook_resid_post" if config.n_layers else "hook_pos_embed"
    with torch.no_grad():
        return wiring.model.run_with_hooks(ids, [*hooks, (last, cut("logits"))])


def _cuts(wiring: Wiring, edges: Iterable[Edge]) -> dict[str, set[tuple[str, int | None]]]:
    """Return, for each reader, the writers cut off: merged names stand for all that they merge."""
    cuts: dict[str, set[tuple[str, int | None]]] = {}
    order = {w: i for i, w in enumerate(wiring.writers)}
    for e in edges:
        writers = ["tok", "pos"] if e.writer == "input" else [e.writer]
        readers = [(r, n) for r, n in wiring.readers if r == e.reader or r.partition("<")[0] == e.reader]
        if not readers or any(w not in order for w in writers) or order[writers[0]] >= readers[0][1]:
            raise InputError(f"the model has no edge {e}")
        for r, _ in readers:
            cuts.setdefault(r, set()).update((w, e.position) for w in writers)
    return cuts
