"""Train the network on a data set of programs: one folder a run, the same command goes on where it was stopped.

    config.json            the settings
    examples.safetensors   what the network is shown of each head, computed once
    state.safetensors      network, optimizer and step, for going on
    log.jsonl              a line each time the held-out examples were looked at
    network.safetensors    the network

Under torchrun every process takes its share of each batch and gradients are averaged.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save
from torch import Tensor, nn

from janiform.decompile.dataset import Dataset
from janiform.decompile.neural.examples import LONGEST, Example, examples
from janiform.decompile.neural.grammar import REFS, Grammar, Token, Unwritable
from janiform.decompile.neural.network import Network, Seen, Size, save_network
from janiform.decompile.neural.views import CODES, LENGTH, VOCAB
from janiform.errors import FileError, InputError
from janiform.files import write_whole
from janiform.train.log import Log
from janiform.train.processes import Processes
from janiform.train.state import load_state, save_state


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the network is trained: batches, statements in a batch, learning rate at its highest, seed, size; tokens that occur
    less than ``least`` times are not written, and every so many steps the training is kept and the held-out part looked at."""

    steps: int = 1200
    batch: int = 64
    rate: float = 1e-3
    seed: int = 0
    width: int = 96
    layers: int = 2
    least: int = 3
    every: int = 200


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to: the share of held-out statements that are written token by token as they should be."""

    steps: int
    parameters: int
    examples: int
    held_out: int
    loss: float
    tokens_right: float
    statements_right: float
    cpu_seconds: float

    def facts(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def prepare(
    dataset: Dataset, path: Path, *, limit: int | None = None, tick: Callable[[int, int], None] | None = None
) -> None:
    """Compute what the network is shown for every program of the training part, and keep it."""
    if (
        len(dataset.signature.vocab) != VOCAB
        or dataset.signature.max_len != LENGTH
        or dataset.signature.causal
    ):
        raise InputError(
            f"the network sees models of {VOCAB} tokens up to length {LENGTH} that look both ways; "
            "make the data set with --vocab 5 --max-len 5"
        )
    entries = dataset.part("train")[:limit]
    found: list[Example] = []
    for i, own in enumerate(examples((e.program for e in entries), dataset.signature)):
        found += own
        if tick is not None:
            tick(i + 1, len(entries))
    if not found:
        raise InputError("no program of the data set has a statement to learn from")
    codes = np.zeros((len(found), REFS, CODES), np.float16)
    for i, e in enumerate(found):
        codes[i, : len(e.codes)] = e.codes
    arrays = {
        "attention": np.stack([e.attention for e in found]).astype(np.float16),
        "values": np.stack([e.values for e in found]).astype(np.float16),
        "layer": np.stack([e.layer for e in found]).astype(np.float16),
        "codes": codes,
        "refs": np.array([len(e.codes) for e in found]),
    }
    write_whole(path, save(arrays, {"tokens": json.dumps([e.tokens for e in found])}))


def read_examples(path: Path) -> tuple[dict[str, np.ndarray], list[list[Token]]]:
    """Read what ``prepare`` kept."""
    from safetensors import safe_open

    try:
        arrays = load_file(path)
        with safe_open(str(path), "numpy") as file:
            tokens = json.loads(file.metadata()["tokens"])
    except Exception as e:
        raise FileError(f"{path} holds no examples ({e}); delete it and they are computed again") from None
    return arrays, [[tuple(t) for t in row] for row in tokens]


class Batches:
    """The examples as tensors; every 16th is held out. References are numbered anew each time an example is drawn."""

    def __init__(self, arrays: dict[str, np.ndarray], written: list[list[Token]], recipe: Recipe) -> None:
        self.grammar = Grammar.of(written, least=recipe.least)
        rows, targets = [], []
        for i, tokens in enumerate(written):
            try:
                targets.append(self.grammar.encode(tokens))
                rows.append(i)
            except Unwritable:
                continue
        at = np.array(rows)
        self.arrays = {
            k: torch.from_numpy(v[at]).float() if k != "refs" else torch.from_numpy(v[at])
            for k, v in arrays.items()
        }
        self.target = torch.full((len(rows), LONGEST), -1)
        for i, tokens_ in enumerate(targets):
            self.target[i, : len(tokens_)] = torch.tensor(tokens_)
        index = torch.arange(len(rows))
        self.held_out, self.train = index[index % 16 == 0], index[index % 16 != 0]

    def rows(self, index: Tensor, generator: torch.Generator | None = None) -> tuple[Seen, Tensor]:
        """Return examples and their statements; with a generator, references in another order."""
        target, codes = self.target[index], self.arrays["codes"][index]
        if generator is not None:
            plain = len(self.grammar.tokens) - REFS
            keys = torch.rand(len(index), REFS, generator=generator)
            keys = keys + torch.arange(REFS)[None].ge(self.arrays["refs"][index][:, None]) * 2
            order = keys.argsort(1)
            codes = codes.gather(1, order[..., None].expand_as(codes))
            new = order.argsort(1)
            moved = new.gather(1, (target - plain).clamp(min=0)) + plain
            target = torch.where(target >= plain, moved, target)
        a = self.arrays
        width = max(1, int((target >= 0).sum(1).max()))
        return Seen(
            a["attention"][index], a["values"][index], a["layer"][index], codes, a["refs"][index]
        ), target[:, :width]


def loss_of(network: nn.Module, seen: Seen, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of statements, and which tokens would be written rightly."""
    device = next(network.parameters()).device
    seen, target = seen.to(device), target.to(device)
    scores = network(seen, target.clamp(min=0)[:, :-1])
    loss = F.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=-1)
    return loss, (scores.argmax(-1) == target) | (target < 0)


def train(
    dataset: Dataset,
    out: Path,
    recipe: Recipe = Recipe(),
    *,
    limit: int | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Trained:
    """Train in a folder, from where the folder has got to, to the network that it would have come to at one stroke; the settings
    it was begun with are kept."""
    out.mkdir(parents=True, exist_ok=True)
    here = Processes.here()
    config = out / "config.json"
    if config.exists():
        known = json.loads(config.read_text())
        if known != asdict(recipe):
            raise InputError(f"{out} was begun with {known}; go on with that, or use another folder")
    elif here.first:
        write_whole(config, json.dumps(asdict(recipe), indent=1))
    path = out / "examples.safetensors"
    if not path.exists() and here.first:
        prepare(dataset, path, limit=limit, tick=tell)
    here.wait()
    batches = Batches(*read_examples(path), recipe)
    torch.manual_seed(recipe.seed)
    network = Network(batches.grammar, Size(width=recipe.width, layers=recipe.layers))
    network.to(here.device)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, weight_decay=0.05, betas=(0.9, 0.98))
    start, spent = resume(out, network, optimizer)
    log = Log.open(out / "log.jsonl", step=start) if here.first else None
    shared, begun = here.share(network), time.process_time()
    network.train()
    for step in range(start, recipe.steps):
        for group in optimizer.param_groups:
            warm, left = min(1.0, (step + 1) / 100), step / recipe.steps
            group["lr"] = recipe.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * left)))
        # Rows and dropout of a step follow from the seed and its number, so a training that goes on comes to the same.
        number = recipe.seed * 1_000_003 + step * here.world + here.rank
        torch.manual_seed(number)
        generator = torch.Generator().manual_seed(number)
        share = -(-recipe.batch // here.world)
        index = batches.train[torch.randint(len(batches.train), (share,), generator=generator)]
        loss, _ = loss_of(shared, *batches.rows(index, generator))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % recipe.every == 0 or step + 1 == recipe.steps:
            held = evaluate(network, batches)
            if log is not None:
                seconds = spent + time.process_time() - begun
                log.append(step + 1, train_loss=loss.item(), **held, cpu_seconds=round(seconds, 1))
                keep(out, network, optimizer, step + 1, seconds)
        if tell is not None:
            tell(step + 1, recipe.steps)
    held = evaluate(network, batches)
    if here.first:
        save_network(network, out / "network.safetensors")
    here.wait()
    return Trained(
        recipe.steps,
        network.parameters_count,
        len(batches.train),
        len(batches.held_out),
        held["loss"],
        held["tokens_right"],
        held["statements_right"],
        round(spent + time.process_time() - begun, 1),
    )


def evaluate(network: Network, batches: Batches) -> dict[str, float]:
    """Return loss and shares of right tokens and statements on the examples held out."""
    network.eval()
    with torch.no_grad():
        seen, target = batches.rows(batches.held_out)
        loss, right = loss_of(network, seen, target)
    network.train()
    real, right = target >= 0, right.cpu()
    return {
        "loss": round(float(loss), 4),
        "tokens_right": round(float(right[real].float().mean()), 4),
        "statements_right": round(float(right.all(1).float().mean()), 4),
    }


def keep(out: Path, network: Network, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
    """Keep what going on needs."""
    tensors: dict[str, Tensor] = {}
    for name, p in network.named_parameters():
        tensors[f"now/{name}"] = p
        tensors |= {f"{key}/{name}": value for key, value in optimizer.state[p].items()}
    save_state(out, tensors, {"step": step, "cpu_seconds": seconds})


def resume(out: Path, network: Network, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Go on from a kept state, if there is one."""
    if (kept := load_state(out)) is None:
        return 0, 0.0
    tensors, facts = kept
    try:
        with torch.no_grad():
            for name, p in network.named_parameters():
                p.copy_(tensors[f"now/{name}"])
                moments = {key: tensors[f"{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
                optimizer.state[p] = {k: v if k == "step" else v.to(p.device) for k, v in moments.items()}
        return int(facts["step"]), float(facts["cpu_seconds"])
    except (KeyError, RuntimeError) as e:
        raise FileError(
            f"{out} holds the state of another training ({e}); delete it to begin again"
        ) from None
