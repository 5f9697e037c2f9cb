"""A model under interchange: which heads matter, and which of the things that they bring are one and the same to what follows.

What heads bring at one position is replaced by what they bring elsewhere, and answers are read. Where no such exchange changes an
answer, a head does not matter. Two sources that give the same answers in every place where they were put are of one *class*:
what heads carry is a variable with these classes, in whatever basis, gauge or activation it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from janiform.decompile.observed.responses import Part, Responses
from janiform.model.hooks import Hook, HookPoint
from janiform.pair.codec import classes
from janiform.pair.inputs import count

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject

WATCHED = 130
"""So many inputs are watched at most: all there are where these are fewer, else all short ones and drawn longer ones."""
CELLS = 16_000
"""Of long inputs fewer are watched, so that they have so many pairs of positions."""
SOURCES = 240
"""So many positions are exchanged for others."""
INPUTS = 36
"""Into so many inputs."""
MATTERS = 0.004
"""A head matters if exchanging what it brings changes this share of answers."""


def watched(subject: Subject) -> Watched:
    """Run a model on its inputs, or on some of them.

    >>> import janiform as jf
    >>> from janiform.decompile.given import subject
    >>> seen = watched(subject(jf.programs.load("hist").compile("abc", 4)))
    >>> seen.codes.shape, [str(part) for part, _ in seen.mattering]
    ((120, 4), ['a0.h0'])
    """
    s = subject.signature
    rng = np.random.default_rng(7)
    most = max(s.max_len, min(WATCHED, CELLS // s.max_len**2))
    rows: list[list[int]] = []
    for n in range(1, s.max_len + 1):
        left = max(1, (most - len(rows)) // (s.max_len + 1 - n))
        size = len(s.vocab) ** n
        whole = size <= left or count(s) <= most
        chosen = np.arange(size) if whole else np.sort(rng.choice(min(size, 1 << 40), left, replace=False))
        places = len(s.vocab) ** np.arange(n - 1, -1, -1)
        rows += (chosen[:, None] // places % len(s.vocab)).tolist()
    codes = np.full((len(rows), s.max_len), -1)
    for i, row in enumerate(rows):
        codes[i, : len(row)] = row
    return Watched(subject, codes)


@dataclass(eq=False)
class Watched:
    """A model on inputs; ``codes`` are numbered tokens, -1 behind the end. Positions are numbered as they follow in ``codes``."""

    subject: Subject
    codes: Int[np.ndarray, "input position"]

    @cached_property
    def valid(self) -> Bool[np.ndarray, "input position"]:
        """Where there are tokens."""
        return self.codes >= 0

    @cached_property
    def there(self) -> Bool[np.ndarray, "input query key"]:
        """Which keys a query can look at."""
        both = self.valid[:, :, None] & self.valid[:, None, :]
        causal = self.subject.signature.causal
        return both & np.tril(np.ones(both.shape[1:], bool)) if causal else both

    @cached_property
    def lengths(self) -> Int[np.ndarray, " input"]:
        """How long inputs are."""
        return self.valid.sum(1)

    @cached_property
    def number(self) -> Int[np.ndarray, "input position"]:
        """The number of each position."""
        found = np.full(self.codes.shape, -1)
        found[self.valid] = np.arange(self.valid.sum())
        return found

    @cached_property
    def grid(self) -> Int[np.ndarray, " where"]:
        """The place of each position: its input's length and its index."""
        longest = self.codes.shape[1]
        both = (self.lengths[:, None] - 1) * longest + np.arange(longest)
        return both[self.valid]

    def ids(self, rows: Int[np.ndarray, " row"]) -> Int[Tensor, "row pos"]:
        """Return inputs of one length as the model reads them."""
        roles, n = self.subject.roles, int(self.lengths[rows[0]])
        framed = np.concatenate(
            [np.full((len(rows), 1), roles.bos), np.array(roles.tokens)[self.codes[rows, :n]]], axis=1
        )
        return torch.from_numpy(framed).to(self.subject.model.device)

    def groups(self) -> list[np.ndarray]:
        """Return inputs by length."""
        return [np.flatnonzero(self.lengths == n) for n in np.unique(self.lengths)]

    def answers(
        self, ids: Int[Tensor, "row pos"], hooks: Sequence[tuple[list[str], Hook]] = ()
    ) -> Int[np.ndarray, "row position"]:
        """Return what a model says: one code for all of its outputs together."""
        with torch.no_grad():
            logits = self.subject.model.run_with_hooks(ids, list(hooks))[:, 1:].cpu().numpy()
        joint = np.zeros(logits.shape[:2], np.int64)
        for r in self.subject.readouts:
            joint = joint * (len(r.values) + 1) + classes(r, logits) + 1
        return joint

    @cached_property
    def plain(self) -> Int[np.ndarray, " where"]:
        """What the model says at each position."""
        found = np.zeros(self.valid.sum(), np.int64)
        for rows in self.groups():
            at = self.number[rows, : self.lengths[rows[0]]]
            found[at] = self.answers(self.ids(rows))
        return found

    @cached_property
    def pattern(self) -> dict[int, Float[np.ndarray, "head input query key1"]]:
        """Attention by layer; BOS is the first key."""
        c = self.subject.model.config
        n, longest = self.codes.shape
        found = {i: np.zeros((c.n_heads, n, longest, 1 + longest), np.float32) for i in range(c.n_layers)}
        for rows in self.groups():
            k = int(self.lengths[rows[0]])
            with torch.no_grad():
                _, cache = self.subject.model.run_with_cache(
                    self.ids(rows), lambda name: name.endswith("hook_pattern")
                )
            for i in range(c.n_layers):
                p = cache[f"blocks.{i}.attn.hook_pattern"].cpu().numpy()
                found[i][:, rows, :k, : k + 1] = p[:, :, 1:].swapaxes(0, 1)
        return found

    @cached_property
    def written(self) -> dict[str, Float[Tensor, "where *part d"]]:
        """What heads and hidden units hold at each position, by hook point."""
        found: dict[str, Tensor] = {}
        size = int(self.valid.sum())
        for rows in self.groups():
            at = torch.from_numpy(self.number[rows, : self.lengths[rows[0]]])
            with torch.no_grad():
                _, cache = self.subject.model.run_with_cache(
                    self.ids(rows), lambda name: name.endswith(("hook_z", "mlp.hook_post"))
                )
            for name, value in cache.items():
                value = value[:, 1:].cpu()
                found.setdefault(name, value.new_zeros((size, *value.shape[2:])))[at] = value
        return found

    def exchanged(self, part: Part, sources: Int[np.ndarray, "row pos"]) -> list[tuple[list[str], Hook]]:
        """Return hooks that put in what a part holds at other positions; -1 leaves what is there."""
        taken_at = torch.from_numpy(np.maximum(sources, 0))
        where = torch.from_numpy(sources >= 0).to(self.subject.model.device)

        def putting(name: str, heads: tuple[int, ...] | None) -> tuple[list[str], Hook]:
            taken = self.written[name][taken_at].to(self.subject.model.device)

            def put(value: Tensor, hook: HookPoint) -> Tensor:
                chosen = where[(...,) + (None,) * (value.ndim - 2)]
                if heads is not None:
                    mine = torch.zeros(value.shape[2], dtype=torch.bool, device=value.device)
                    mine[list(heads)] = True
                    chosen = chosen & mine[:, None]
                return torch.cat([value[:, :1], torch.where(chosen, taken, value[:, 1:])], 1)

            return [name], put

        hooks = [putting(f"blocks.{part.layer}.attn.hook_z", part.heads)] if part.heads else []
        if part.units:
            hooks.append(putting(f"blocks.{part.layer}.mlp.hook_post", None))
        return hooks

    @cached_property
    def mattering(self) -> list[tuple[Part, float]]:
        """Heads that matter, layer by layer, and the share of answers that change when what they bring is exchanged.

        Heads may carry one thing together, so that none matters alone: all heads of a layer are a part, too.
        """
        c = self.subject.model.config
        found: list[tuple[Part, float]] = []
        for i in range(c.n_layers if c.n_heads else 0):
            alone = [(part, self.influence(part)) for part in (Part(i, (h,)) for h in range(c.n_heads))]
            alone = [(part, share) for part, share in alone if share > MATTERS]
            together = Part(i, tuple(range(c.n_heads)))
            share = self.influence(together)
            found += alone
            if share > MATTERS and len(alone) != 1:
                found.append((together, share))
        return found

    def influence(self, part: Part) -> float:
        """Return the share of answers that change when what a part holds is that of other positions."""
        rng = np.random.default_rng(3)
        size = int(self.valid.sum())
        changed = 0
        for rows in self.groups():
            n = int(self.lengths[rows[0]])
            sources = rng.integers(size, size=(len(rows), n))
            after = self.answers(self.ids(rows), self.exchanged(part, sources))
            changed += int((after != self.plain[self.number[rows, :n]]).sum())
        return changed / size

    @cached_property
    def sources(self) -> Int[np.ndarray, " source"]:
        """The positions that are exchanged for others."""
        size = int(self.valid.sum())
        if size <= SOURCES:
            return np.arange(size)
        return np.sort(np.random.default_rng(5).choice(size, SOURCES, replace=False))

    def responses(self, part: Part) -> Responses:
        """Return what the model says where what a part holds is that of each source: in the last layer at the place itself,
        before it at all positions of the input."""
        last = part.layer == self.subject.model.config.n_layers - 1
        rng = np.random.default_rng(11)
        rows = np.arange(len(self.codes))
        if len(rows) > INPUTS:
            weights = self.lengths / self.lengths.sum()
            rows = np.sort(rng.choice(rows, INPUTS, replace=False, p=weights))
        places, said = [], []
        size = len(self.sources)
        for row in rows:
            n = int(self.lengths[row])
            ids = self.ids(np.array([row])).expand(size, -1)
            if last:
                put = np.tile(self.sources[:, None], (1, n))
                said += list(self.answers(ids, self.exchanged(part, put)).T)
                places += self.number[row, :n].tolist()
                continue
            i = int(rng.integers(n))
            put = np.full((size, n), -1)
            put[:, i] = self.sources
            joint = np.zeros(size, np.int64)
            for column in self.answers(ids, self.exchanged(part, put)).T:
                joint = joint * (int(column.max()) + 1) + column
            said.append(np.unique(joint, return_inverse=True)[1])
            places.append(int(self.number[row, i]))
        told = np.array(said)
        heard = (told != told[:, :1]).any(1)
        return Responses(part, self.sources, np.array(places)[heard], told[heard])
