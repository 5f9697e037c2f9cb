"""Models that were warmed up on rows made by rule, in the terms of sequences with roles: the seam to the way to a program.

Rows are x, a separator, and what is asked, without <bos> and <eos>. A model's tokens are renamed so that the separator is <sep>
and padding <pad>; <bos> and <eos>, which stand in no row, are padding by another name. Rows stand at position 0 alone, as in the
warm-up.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from janiform.errors import InputError
from janiform.model.transformer import Transformer
from janiform.tasks.procedural import Transduction, write
from janiform.tasks.procedural.draws import row_keys, stream
from janiform.tasks.sequences import Sampler, Sequences

MOST_HEADS = 32
"""Of a model in which a program is looked for."""


def sampler_of(task: Transduction) -> Sampler:
    """Return a task from sequence to sequence as rows of it are drawn for decompiling.

    >>> from janiform.tasks.procedural import read
    >>> task = sampler_of(read("reverse(symbols=5, longest=3)"))
    >>> some = task.draw(np.random.default_rng(0), 1, 3, 3)
    >>> [task.vocab[t] for t in some.tokens[0]], some.asked[0].tolist()
    (['2', '2', '1', '<sep>', '1', '2', '2'], [False, False, False, True, True, True, False])

    """
    return Sampler(
        write(task),
        tuple(str(i) for i in _symbols(task)),
        False,
        longest=task.longest,
        positions=task.width,
        offsets=False,
        draw=lambda rng, n, shortest, longest: _draw(task, rng, n, shortest, longest),
    )


def renamed(model: Transformer, task: Transduction) -> Transformer:
    """Return a model with its tokens in the order of ``sampler_of(task).vocab``.

    ``InputError`` for a model of another vocabulary, or of more than 32 heads.
    """
    shape = model.config
    if shape.d_vocab != task.d_vocab:
        raise InputError(f"the model has {shape.d_vocab} tokens, and {write(task)} has {task.d_vocab}")
    if (heads := shape.n_layers * shape.n_heads) > MOST_HEADS:
        raise InputError(
            f"that takes long where there are more than {MOST_HEADS} heads; this model has {heads}"
        )
    old = [*_symbols(task), task.pad, task.symbols, task.pad, task.pad]
    config = replace(shape, d_vocab=len(old), d_vocab_out=len(old))
    new, own = Transformer(config, seed=None), dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in new.named_parameters():
            theirs = own[name].detach()
            if name == "embed.W_E":
                theirs = theirs[old]
            elif name.startswith("unembed."):
                theirs = theirs[..., old]
            weight.copy_(theirs)
    return new


def _symbols(task: Transduction) -> range:
    """Return the ids that are no separator; that of 0 stands in rows of stack operations alone."""
    return range(task.rule != "stack", task.symbols)


def _draw(task: Transduction, rng: np.random.Generator, n: int, shortest: int, longest: int) -> Sequences:
    """Draw rows of lengths that are uniform, as far as the task has them."""
    most = min(longest, task.longest)
    lengths = rng.integers(min(max(shortest, task.least), most), most, endpoint=True, size=n)
    source = stream(write(task), int(rng.integers(2**31)), "decompile")
    tokens = np.full((n, task.width), task.pad, np.uint16)
    span = np.zeros((2, n), np.int64)
    for length in np.unique(lengths).tolist():
        here, one = np.flatnonzero(lengths == length), replace(task, longest=length, shortest=None)
        some = np.full((len(here), one.width), task.pad, np.uint16)
        span[0, here], span[1, here] = one.fill(row_keys(source, here.astype(np.uint64)), some)
        tokens[here, : one.width] = some
    width = int((tokens != task.pad).sum(1).max(initial=1))
    code, symbols = np.zeros(task.d_vocab, np.int64), _symbols(task)
    code[list(symbols)] = np.arange(len(symbols))
    code[task.symbols], code[task.pad] = len(symbols) + 1, len(symbols) + 3
    named = code[tokens[:, :width]]
    after = np.arange(1, width + 1)
    asked = (after >= span[0][:, None]) & (after < span[1][:, None])
    return Sequences(named, asked, np.roll(named, -1, axis=1))
