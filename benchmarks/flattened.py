"""The published approach, small: an encoder-decoder that is shown a model's weights as one long vector, and writes the program.

Thurnherr & Riesen 2024 (arXiv 2410.00061) flatten the weights of compiled transformers and write programs token by token;
Langosco et al. cut such vectors into chunks. Here chunks of 128 weights, each with its place, go through a transformer, and another
one writes the text of the canonical form. It learns from the programs and for the CPU seconds that the network which ships
with Janiform had, from weights as compiled and from fresh bases and gauges in turn.

    python benchmarks/flattened.py --data out/dataset --seconds 180
    python benchmarks/decompile_neural.py --data out/dataset-77 --ways flattened
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn

import janiform as jf
from janiform.bench.fresh import turned
from janiform.decompile.dataset import Dataset
from janiform.ir.canonical import canonical

CHUNK, CHUNKS, LONGEST, WIDTH = 128, 200, 120, 128
START, END = "<start>", "<end>"
HOME = Path("out/flattened.pt")


@dataclass(frozen=True)
class Settings:
    """How the baseline is trained."""

    data: Path = Path("out/dataset")
    """The data set whose training part is learned from."""
    out: Path = HOME
    """Where the network is kept."""
    seconds: float = 180
    """CPU seconds of training."""
    batch: int = 32
    """Programs a step."""


class Flattened(nn.Module):
    """Reads chunks of weights and writes tokens of a program's text."""

    def __init__(self, tokens: list[str]) -> None:
        super().__init__()
        self.tokens = tokens
        self.chunk = nn.Linear(CHUNK, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(CHUNKS, WIDTH))
        self.words = nn.Embedding(len(tokens), WIDTH)
        self.order = nn.Parameter(0.02 * torch.randn(LONGEST + 1, WIDTH))
        self.both = nn.Transformer(
            WIDTH, 4, 3, 3, 256, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )

    def forward(self, weights: Tensor, there: Tensor, prefix: Tensor) -> Tensor:
        """Return scores of the token after each prefix."""
        n = prefix.shape[1]
        y = self.both(
            self.chunk(weights) + self.places[: weights.shape[1]],
            self.words(prefix) + self.order[:n],
            tgt_mask=torch.ones(n, n, dtype=torch.bool).triu(1),
            src_key_padding_mask=~there,
            memory_key_padding_mask=~there,
        )
        return y @ self.words.weight.T


def lexed(text: str) -> list[str]:
    """Cut a program's text into tokens.

    >>> lexed("x = tokens == 1.5;")
    ['x', '=', 'tokens', '==', '1.5', ';']
    """
    return re.findall(r"\d+\.\d+|\w+|[=!<>]=|\S", text)


def unlexed(tokens: list[str]) -> str:
    """Put tokens together to the text that they were cut from, but for blanks.

    >>> unlexed(lexed('x = best(select(tokens, tokens, <), "closest");'))
    'x = best ( select ( tokens , tokens , < ) , "closest" ) ;'
    """
    return re.sub(r'" (\w+) "', r'"\1"', " ".join(tokens)).replace("/ /", "//")


def chunks(weights: dict[str, np.ndarray]) -> np.ndarray:
    """Return all weights as one vector in rows of ``CHUNK``; what is more than ``CHUNKS`` rows is cut off."""
    flat = np.concatenate([w.ravel() for w in weights.values()]).astype(np.float32)[: CHUNK * CHUNKS]
    flat = np.sign(flat) * np.log1p(np.abs(flat))  # gains of thousands stand beside ones
    return np.pad(flat, (0, -len(flat) % CHUNK)).reshape(-1, CHUNK)


def together(rows: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Return models of different size as one batch, and which chunks are there."""
    longest = max(map(len, rows))
    x = np.zeros((len(rows), longest, CHUNK), np.float32)
    there = np.zeros((len(rows), longest), bool)
    for i, r in enumerate(rows):
        x[i, : len(r)], there[i, : len(r)] = r, True
    return torch.from_numpy(x), torch.from_numpy(there)


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = Dataset.open(options.data)
    texts, pairs = [], []
    for e in data.part("train"):
        program = e.program
        try:
            words = lexed(str(canonical(program, data.signature)))
            if len(words) < LONGEST:
                pairs.append(program.compile(signature=data.signature))
                texts.append(words)
        except jf.CompileError:
            continue
    order = np.argsort([sum(w.size for w in p.model.weights().values()) for p in pairs])  # alike in a batch
    tokens = [START, END, *sorted({w for t in texts for w in t})]
    number = {w: i for i, w in enumerate(tokens)}
    network = Flattened(tokens)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    rng = np.random.default_rng(0)
    start, step = time.process_time(), 0
    while (spent := time.process_time() - start) < options.seconds:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50) * max(0.05, 1 - spent / options.seconds)
        first = int(rng.integers(len(pairs) - options.batch))
        chosen = order[first : first + options.batch]
        rows = []
        for i in chosen:
            weights = {k: w.astype(np.float64) for k, w in pairs[i].model.weights().items()}
            rows.append(chunks(turned(pairs[i], weights, rng) if step % 2 else weights))
        longest = max(len(texts[i]) for i in chosen) + 1
        target = np.full((options.batch, longest), -1)
        for j, i in enumerate(chosen):
            line = [number[w] for w in texts[i]] + [1]
            target[j, : len(line)] = line
        wanted = torch.from_numpy(target)
        prefix = F.pad(wanted.clamp(min=0)[:, :-1], (1, 0))
        scores = network(*together(rows), prefix)
        loss = F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {spent:.0f} CPU s", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"tokens": tokens, "state": network.state_dict(), "steps": step}, options.out)
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{len(pairs)} programs, {step} steps, {parameters:,} parameters, {len(tokens)} tokens")


def read(path: Path = HOME) -> Flattened:
    """Read a network that was trained."""
    kept: dict[str, Any] = torch.load(path, weights_only=True)
    network = Flattened(kept["tokens"])
    network.load_state_dict(kept["state"])
    return network.eval().requires_grad_(False)


def write(network: Flattened, weights: dict[str, np.ndarray]) -> jf.Program | None:
    """Return the likeliest program, token by token; None where what is written is none."""
    x, there = together([chunks(weights)])
    words = [0]
    while len(words) <= LONGEST:
        nxt = int(network(x, there, torch.tensor([words]))[0, -1].argmax())
        if nxt == 1:
            break
        words.append(nxt)
    try:
        return jf.parse(unlexed([network.tokens[w] for w in words[1:]]))
    except jf.JaniformError:
        return None


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
