"""Beam search over statements, head by head; each proposal is run and tested on what the head is seen to do.

A statement stands where its selector looks at the same keys as the head does on every probe, and where its values are no finer than
what the head brings: of a mean, they are linear in it. Where no proposal stands, the nearest are repaired: one token is
replaced by another with the same operands. Nothing is taken on the word of the network.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int

from janiform.decompile.neural.examples import example
from janiform.decompile.neural.grammar import REFS, Grammar, operands, read_statement
from janiform.decompile.neural.network import Network, Seen
from janiform.decompile.neural.repair import PARTS, selectors, single_key, values
from janiform.decompile.neural.views import (
    CODES,
    EQUAL,
    LOOKED_AT,
    HeadView,
    ModelView,
    code_features,
    explained,
    probes,
    words,
)
from janiform.errors import JaniformError
from janiform.ir.evaluate import Run
from janiform.ir.functions import identity
from janiform.ir.nodes import Aggregate, Const, Count, Select, Selector, Tokens, walk
from janiform.ir.nodes import Sequence as Seq

BEAM = 16
"""So many statements are kept as they are written."""
REPAIRED, TRIED = 3, 240
"""So many of the nearest proposals are repaired, by so many trials in all."""
CHANGED = 1_500
"""Parts are taken from so many changed proposals at most."""
STAND = 3
"""At most so many statements of one head are kept: one that brings several things has several."""
LINEAR = 1e-3
"""What of a mean may be left unexplained by what a head brings."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A statement that was written, and how likely the network thinks it is."""

    tokens: tuple[int, ...]
    likely: float


@dataclass(slots=True)
class Search:
    """The search through one model; ``repair`` and ``beam`` can be reduced to see what they do.

    ``found`` are the statements that stand, in order; ``unread`` counts heads for which none does.
    """

    network: Network
    model: ModelView
    beam: int = BEAM
    repair: bool = True
    test: bool = True
    found: list[Seq] = field(default_factory=list)
    codes: list[np.ndarray] = field(default_factory=list)
    unread: int = 0
    run: Run = field(default_factory=lambda: Run(words()))
    known: set[object] = field(default_factory=set)

    @property
    def grammar(self) -> Grammar:
        """The tokens that are written."""
        return self.network.grammar

    def statements(self) -> list[Seq]:
        """Find what every head brings, those of the first layer first."""
        for head in self.model.heads:
            if len(self.found) == REFS:
                break
            standing = self.of_head(head)
            self.unread += not standing
            for n in standing:
                self.add(n)
        return self.found

    def add(self, n: Seq) -> None:
        """Take a statement, unless one that holds the same on every probe is there."""
        rows = self.run.values(n)
        key = tuple(identity(v) for row in rows for v in row)
        if key not in self.known and len(self.found) < REFS:
            self.known.add(key)
            self.found.append(n)
            self.codes.append(code_features(self.run, rows))

    def of_head(self, head: HeadView) -> list[Seq]:
        """Return the statements of a head that stand, the likeliest first."""
        written = self.write(head)
        if not self.test:
            nodes = [self.read(p.tokens) for p in written[:1]]
            return [n for n in nodes if n is not None]
        standing: list[Seq] = []
        near: list[tuple[float, Proposal]] = []
        for p in written:
            n = self.read(p.tokens)
            if n is None:
                continue
            looks, holds = self.judge(n, head)
            if looks == 1 and holds:
                standing.append(n)
            near.append((looks + 0.5 * holds, p))
        if not standing and self.repair:
            standing = self.other_values(written, head)
        if not standing and self.repair:
            near.sort(key=lambda x: (-x[0], -x[1].likely))
            standing = self.repaired([p for _, p in near[:REPAIRED]], head) or self.put_together(
                written, head
            )
        return standing[:STAND]

    def other_values(self, written: Sequence[Proposal], head: HeadView) -> list[Seq]:
        """Write other values under the selectors that look where the head does: one constant, which tells whether a key is
        selected, or what the network thinks of next."""
        tried: set[tuple[int, ...]] = set()
        for p in written:
            n = self.read(p.tokens)
            if not isinstance(n, Aggregate | Count) or self.looks(n.selector, head) < 1:
                continue
            whether = Aggregate(n.selector, Const(0))
            if self.holds(whether, head):
                return [whether]
            if isinstance(n, Count):
                continue
            start = p.tokens[: self.end_of_selector(p.tokens)]
            if start in tried or len(tried) == REPAIRED:
                continue
            tried.add(start)
            others = [self.read(q.tokens) for q in self.write(head, start)]
            standing = [m for m in others if m is not None and self.judge(m, head)[1]]
            if standing:
                return standing
            if (made := self.under(n.selector, head)) is not None:
                return [made]
        return []

    def put_together(self, written: Sequence[Proposal], head: HeadView) -> list[Seq]:
        """Look for a selector made of parts of proposals, and of parts in which one token is changed."""
        parts: dict[Selector, None] = {}
        changed = (tokens for p in written for tokens in self.neighbors(p.tokens))
        for tokens in itertools.chain((p.tokens for p in written), itertools.islice(changed, CHANGED)):
            n = self.read(tokens)
            if isinstance(n, Aggregate | Count):
                parts.update((s, None) for s in walk(n.selector) if isinstance(s, Select))
            if len(parts) > PARTS:
                break
        scores = [Tokens(), *self.found]
        for s in itertools.islice(selectors(list(parts), scores, self.run, head.looks), REPAIRED):
            if (made := self.under(s, head)) is not None:
                return [made]
        return []

    def under(self, s: Selector, head: HeadView) -> Seq | None:
        """Return what a head brings under a selector: a count, or the values that it tells apart."""
        at = looked_at(head)
        if not at.any():
            return None
        alike, labels = apart(head, at)
        if alike:
            made: Seq = Count(s) if asks_bos(head) else Aggregate(s, Const(0))
            return made if self.holds(made, head) else None  # type: ignore[arg-type]
        for v in values(head, at, labels, self.found, self.run, single=single_key(head.looks)):
            made = Aggregate(s, v)
            try:
                self.run.column(made)
            except JaniformError:
                continue
            if self.holds(made, head):
                return made
        return None

    def end_of_selector(self, tokens: tuple[int, ...]) -> int:
        """Return where the values of a statement begin."""
        open_: tuple[str, ...] = ("statement",)
        for i, t in enumerate(tokens):
            if open_ == ("sequence", "literal"):
                return i
            open_ = self.grammar.after(open_, t)
        return len(tokens)

    def repaired(self, near: Sequence[Proposal], head: HeadView) -> list[Seq]:
        """Try every change of one token, and keep changes that bring a statement nearer, until one stands or trials are used up."""
        tried = 0
        seen = {p.tokens for p in near}
        for p in near:
            best, tokens = self.score(p.tokens, head), p.tokens
            better = True
            while better and tried < TRIED:
                better = False
                for other in self.neighbors(tokens):
                    if other in seen or tried >= TRIED:
                        continue
                    seen.add(other)
                    tried += 1
                    n = self.read(other)
                    if n is None:
                        continue
                    looks, holds = self.judge(n, head)
                    if looks == 1 and holds:
                        return [n]
                    if looks + 0.5 * holds > best:
                        best, tokens, better = looks + 0.5 * holds, other, True
                        break
        return []

    def score(self, tokens: tuple[int, ...], head: HeadView) -> float:
        n = self.read(tokens)
        if n is None:
            return 0.0
        looks, holds = self.judge(n, head)
        return looks + 0.5 * holds

    def neighbors(self, tokens: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield statements that differ in one token; what stands in its place has the same operands."""
        g = self.grammar
        open_: tuple[str, ...] = ("statement",)
        for i, t in enumerate(tokens):
            sort = open_[0]
            shape = operands(g.tokens[t], sort)
            for other in np.flatnonzero(g.mask(sort, len(self.found))).tolist():
                if other != t and operands(g.tokens[other], sort) == shape:
                    yield (*tokens[:i], other, *tokens[i + 1 :])
            open_ = g.after(open_, t)

    def read(self, tokens: tuple[int, ...]) -> Seq | None:
        """Return the node of a statement, None where it has no meaning on some probe."""
        try:
            n = read_statement([self.grammar.tokens[t] for t in tokens], self.found)
            self.run.column(n)
        except JaniformError:
            return None
        return n

    # --- tests --------------------------------------------------------------------------------------------------------

    def judge(self, n: Seq, head: HeadView) -> tuple[float, bool]:
        """Return at what share of queries a statement looks where the head does, and whether its values can be what is brought."""
        assert isinstance(n, Aggregate | Count)
        looks = self.looks(n.selector, head)
        return looks, self.holds(n, head)

    def looks(self, s: Selector, head: HeadView) -> float:
        valid = probes() >= 0
        same = (self.run.pairs_selected(s) == head.looks).all(2)
        return float(same[valid].mean())

    def holds(self, n: Aggregate | Count, head: HeadView) -> bool:
        """Whether values can be what a head brings from the keys it looks at; a count brings the same from all, and asks BOS too."""
        at = looked_at(head)
        if not at.any():
            return False
        alike, labels = apart(head, at)
        if isinstance(n, Count):
            return alike and asks_bos(head)
        column = self.run.column(n.values)
        codes = column.codes[at]
        if alike or (codes == codes[0]).all():
            return alike and bool((codes == codes[0]).all()) and not asks_bos(head)
        first = np.full(int(labels.max()) + 1, -1)
        first[labels] = codes
        if (first[labels] != codes).any():
            return False
        if n.reduce in ("mean", "sum") and (self.run.pairs_selected(n.selector).sum(2) > 1).any():
            numbers = np.array([float(v) if isinstance(v, int | float) else 0.0 for v in column.values])
            return explained(head, numbers[column.codes][..., None], at) < LINEAR
        return True

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, head: HeadView, start: tuple[int, ...] = ()) -> list[Proposal]:
        """Return the likeliest complete statements, each legal by the grammar, that begin in a given way."""
        g, longest = self.grammar, self.network.size.longest
        e = example(head, self.model.n_layers, self.codes, [])
        codes = np.zeros((1, REFS, CODES), np.float32)
        codes[0, : len(e.codes)] = e.codes
        one = Seen(
            torch.from_numpy(e.attention)[None],
            torch.from_numpy(e.values)[None],
            torch.from_numpy(e.layer)[None],
            torch.from_numpy(codes),
            torch.tensor([len(e.codes)]),
        )
        open_: tuple[str, ...] = ("statement",)
        for t in start:
            open_ = g.after(open_, t)
        beam: list[tuple[float, tuple[int, ...], tuple[str, ...]]] = [(0.0, start, open_)]
        done: list[Proposal] = []
        with torch.no_grad():
            memory = self.network.memory(one)
            while beam and len(beam[0][1]) < longest:
                prefix = torch.tensor([b[1] for b in beam], dtype=torch.long).view(len(beam), -1)
                wide = (
                    memory[0].expand(len(beam), -1, -1),
                    memory[1].expand(len(beam), -1),
                    memory[2].expand(len(beam), -1, -1),
                )
                scores = self.network(one, prefix, wide)[:, -1].double()
                legal = torch.from_numpy(np.stack([g.mask(b[2][0], len(e.codes)) for b in beam]))
                logs = scores.masked_fill(~legal, -torch.inf).log_softmax(-1)
                total = logs + torch.tensor([b[0] for b in beam])[:, None]
                top = total.flatten().topk(min(self.beam, int(legal.sum())))
                following = []
                for value, index in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                    row, token = divmod(index, total.shape[1])
                    _, tokens, open_ = beam[row]
                    rest = g.after(open_, token)
                    if len(tokens) + 1 + len(rest) > longest:
                        continue
                    if rest:
                        following.append((value, (*tokens, token), rest))
                    else:
                        done.append(Proposal((*tokens, token), value))
                beam = following
                if len(done) >= 2 * self.beam:
                    break
        return sorted(done, key=lambda p: -p.likely)[: 2 * self.beam]


def looked_at(head: HeadView) -> Bool[np.ndarray, "input key"]:
    """Return at which positions some query of the head looks; what it would bring from others means nothing."""
    return head.looks.any(1) & (probes() >= 0)


def asks_bos(head: HeadView) -> bool:
    """Whether BOS has a share where keys are looked at, so that their number can be told."""
    return bool((head.pattern[:, :, 0][head.looks.any(2)] > LOOKED_AT).any())


def apart(head: HeadView, at: Bool[np.ndarray, "input key"]) -> tuple[bool, Int[np.ndarray, " row"]]:
    """Return whether a head brings the same from everywhere, and which positions' vectors are equal, as numbers."""
    x = head.brings[:, 1:][at]
    size = max(float(np.abs(head.brings).max(initial=0.0)), 1e-12)
    alike = float(np.abs(x - x[0]).max(initial=0.0)) < EQUAL * size
    scale = max(float(np.abs(x - x.mean(0)).max(initial=0.0)), 1e-12)
    rng = np.random.default_rng(0)
    line = (x - x.mean(0)) / scale @ rng.standard_normal((x.shape[1], 2))
    order = np.lexsort(line.T[::-1])
    steps = np.abs(np.diff(line[order], axis=0)).max(1) > EQUAL
    labels = np.empty(len(x), np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(steps)])
    return alike, labels
