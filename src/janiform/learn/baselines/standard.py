"""A standard transformer of equal size, trained well: the black box that a learned program is compared with.

Softmax attention, LayerNorm and ReLU; Adam with decoupled decay, linear warmup and decay, dropout, and the weights of the
best validation epoch. The network is ``janiform.model.Transformer``: padding and dropout are hooks on it, so padded keys
have a score of minus infinity for each sequence of the batch by itself. Classes are read from the mean over positions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from janiform.errors import InputError
from janiform.learn.baselines.scores import class_accuracy, token_accuracy
from janiform.model import Config, HookPoint, Transformer
from janiform.tasks.examples import UNKNOWN, Data, Examples

Log = Callable[[dict[str, float]], None]
Measure = Callable[[np.ndarray, np.ndarray], float]
_BATCH = 256
_SCORES, _DROPPED = "attn.hook_attn_scores", ("hook_embed", "hook_attn_out", "hook_mlp_out")


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """A trained transformer; ``validation`` is its score there, ``epochs`` how many were run."""

    model: Transformer
    pooled: bool
    validation: float
    epochs: int
    cpu_seconds: float

    @property
    def parameters(self) -> int:
        """How many weights it has, embeddings included."""
        return sum(p.numel() for p in self.model.parameters())

    def predict(self, x: Int[np.ndarray, "n max_len"]) -> np.ndarray:
        """Return a class code for every sequence, or a label code for every token, -1 past the end."""
        return _predict(self.model, self.pooled, x)


def standard(
    data: Data,
    *,
    layers: int = 2,
    heads: int = 8,
    width: int = 64,
    seed: int = 0,
    epochs: int = 10,
    batch: int = 32,
    rate: float = 2e-3,
    warmup: float = 0.1,
    decay: float = 0.01,
    dropout: float = 0.4,
    unknown: float = 0.0,
    patience: int = 5,
    vectors: Float[np.ndarray, "vocab dim"] | None = None,
    measure: Measure | None = None,
    log: Log | None = None,
) -> Standard:
    """Train on ``data.train`` until ``patience`` epochs bring nothing on ``data.validation``.

    ``vectors`` starts the leading dimensions of the token embedding; ``unknown`` is the share of training tokens that are
    hidden as '<unk>'. ``log`` is given one row an epoch. ``measure`` of targets and predictions picks the epoch, the
    accuracy where it is not given. Defaults suit a few thousand texts; a task without noise wants no dropout and more epochs.

    >>> from janiform.tasks import algorithmic
    >>> hist = algorithmic("hist").data(size=500)
    >>> model = standard(hist, layers=1, heads=2, width=16, epochs=2)
    >>> model.parameters, model.predict(hist.test.x).shape
    (3671, (50, 8))
    """
    start = time.process_time()
    if epochs < 1 or patience < 1:
        raise InputError(f"at least one epoch and a patience of one are needed, got {epochs} and {patience}")
    model = _network(data, layers, heads, width, seed, vectors)
    draw = torch.Generator().manual_seed(seed)
    hidden = _hidden(data, unknown)
    steps = -(-len(data.train.x) // batch) * epochs
    matrices, rest = _split(model)
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}], lr=rate
    )
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, _slope(steps, max(1, int(steps * warmup))))
    measure = measure or (class_accuracy if data.pooled else token_accuracy)
    best, kept, since, epoch = -1.0, model.weights(), 0, 0
    while epoch < epochs and since < patience:
        total, asked = 0.0, 0
        for x, y in _batches(data.train, batch, draw):
            if unknown:
                x = torch.where((torch.rand(x.shape, generator=draw) < unknown) & (x >= 0), hidden, x)
            logits = _logits(model, data.pooled, x, dropout, draw)
            loss = F.cross_entropy(logits.flatten(0, -2), y.flatten(), ignore_index=-1, reduction="sum")
            count = int((y >= 0).sum())
            optimizer.zero_grad()
            (loss / max(count, 1)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rates.step()
            total, asked = total + loss.item(), asked + count
        epoch, since = epoch + 1, since + 1
        score = measure(data.validation.y, _predict(model, data.pooled, data.validation.x))
        if score > best:
            best, kept, since = score, model.weights(), 0
        if log is not None:
            log({"epoch": epoch, "loss": total / max(asked, 1), "validation": score})
    model = Transformer.from_weights(model.config, kept)
    return Standard(model, data.pooled, best, epoch, time.process_time() - start)


def _network(
    data: Data, layers: int, heads: int, width: int, seed: int, vectors: np.ndarray | None
) -> Transformer:
    """Make the untrained network."""
    if width % max(heads, 1):
        raise InputError(f"a width of {width} cannot be shared by {heads} heads; take a multiple of {heads}")
    tokens = len(data.signature.vocab)
    config = Config(
        n_layers=layers,
        n_heads=heads,
        d_head=width // max(heads, 1) if heads else 0,
        d_model=width,
        d_mlp=4 * width,
        d_vocab=tokens,
        d_vocab_out=len(data.labels),
        n_ctx=data.signature.max_len,
        attention_dir="causal" if data.signature.causal else "bidirectional",
        normalization_type="LN",
    )
    model = Transformer(config, seed=seed)
    if vectors is not None:
        if vectors.ndim != 2 or len(vectors) != tokens or vectors.shape[1] > width:
            raise InputError(
                f"vectors must have shape [{tokens}, at most {width}], got {list(vectors.shape)};"
                " give one row for each token of the vocabulary"
            )
        with torch.no_grad():
            W_E = model.embed.W_E
            scaled = vectors * (W_E.std().item() / max(vectors.std(), 1e-9))
            W_E[:, : vectors.shape[1]] = torch.as_tensor(scaled)
    return model


def _split(model: Transformer) -> tuple[list[Tensor], list[Tensor]]:
    """Return the weights that decay, and the biases and gains that do not."""
    named = [(n.rsplit(".", 1)[-1], p) for n, p in model.named_parameters()]
    return [p for n, p in named if n.startswith("W")], [p for n, p in named if not n.startswith("W")]


def _slope(steps: int, warmup: int) -> Callable[[int], float]:
    """Return the share of the full rate at a step: up over ``warmup`` steps, then down to 0."""
    return lambda i: min((i + 1) / warmup, max(0.0, (steps - i) / max(1, steps - warmup)))


def _hidden(data: Data, unknown: float) -> int:
    """Return the code that hides a token."""
    if unknown and UNKNOWN not in data.signature.vocab:
        raise InputError(f"{data.name} has no token {UNKNOWN!r} to hide others under; set unknown=0")
    return data.signature.vocab.index(UNKNOWN) if unknown else -1


def _batches(part: Examples, batch: int, draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the examples in a random order, neighbors in length together and cut to their longest."""
    x, y = torch.as_tensor(part.x), torch.as_tensor(part.y)
    lengths = (x >= 0).sum(1)
    mixed = torch.randperm(len(x), generator=draw)
    groups = [g[lengths[g].argsort(stable=True)].split(batch) for g in mixed.split(16 * batch)]
    drawn = [rows for group in groups for rows in group]
    for i in torch.randperm(len(drawn), generator=draw).tolist():
        rows = drawn[i]
        end = max(int(lengths[rows].max()), 1)
        yield x[rows, :end].long(), (y[rows] if y.ndim == 1 else y[rows, :end]).long()


def _logits(
    model: Transformer, pooled: bool, x: Int[Tensor, "batch pos"], dropout: float, draw: torch.Generator
) -> Float[Tensor, "batch *pos label"]:
    """Run the network, with what pads hidden from attention and pooling."""
    there = x >= 0
    there[:, 0] = True  # an empty sequence would otherwise attend to nothing
    logits = model.run_with_hooks(x.clamp(min=0), _hooks(there, dropout, draw))
    if not pooled:
        return logits
    share = there / there.sum(1, keepdim=True)
    return torch.einsum("bpl,bp->bl", logits, share)


def _hooks(
    there: Bool[Tensor, "batch pos"], dropout: float, draw: torch.Generator
) -> list[tuple[Callable[[str], bool], Callable[..., Tensor]]]:
    """Return hooks that hide padded keys, and that drop activations."""

    def mask(scores: Tensor, hook: HookPoint) -> Tensor:
        return scores.masked_fill(~there[:, None, None, :], -torch.inf)

    def drop(x: Tensor, hook: HookPoint) -> Tensor:
        kept = torch.empty_like(x).bernoulli_(1 - dropout, generator=draw)
        return x * kept / (1 - dropout)

    hooks: list[tuple[Callable[[str], bool], Callable[..., Tensor]]] = [(lambda n: n.endswith(_SCORES), mask)]
    return [*hooks, (lambda n: n.endswith(_DROPPED), drop)] if dropout else hooks


@torch.inference_mode()
def _predict(model: Transformer, pooled: bool, x: np.ndarray) -> np.ndarray:
    """Predict in batches of similar lengths."""
    codes = torch.as_tensor(x).long()
    lengths = (codes >= 0).sum(1)
    answer = torch.full((len(x),) if pooled else x.shape, -1)
    draw = torch.Generator()
    for rows in lengths.argsort().split(_BATCH):
        end = max(int(lengths[rows].max()), 1) if len(rows) else 1
        best = _logits(model, pooled, codes[rows, :end], 0.0, draw).argmax(-1)
        if pooled:
            answer[rows] = best
        else:
            answer[rows, :end] = best
    return answer.numpy() if pooled else np.where(x >= 0, answer.numpy(), -1)
