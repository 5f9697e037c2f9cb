"""Which lines, heads and tokens decided one output, exactly, by the program's own meaning.

Three sets of tokens are told apart. Those that *fix* the output: while they stay, no tokens elsewhere change it. Within
them those that were *read*, through arguments that matter and keys that heads selected; and the *decisive* ones, which
change the output when replaced alone, found by running the program on every such replacement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Sized
from dataclasses import dataclass
from typing import Any

from janiform.errors import InputError, MeaningError
from janiform.explain.listing import Listed, chosen_output, listing
from janiform.explain.reasons import Cell, Reasons, alike
from janiform.ir.evaluate import Run
from janiform.ir.functions import canonical, identity
from janiform.ir.nodes import Aggregate, Count, Node, Selector, Sequence, Tokens, Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.text.grid import cell

MAX_CELLS = 1 << 20
"""Pairs of positions held at once while tokens are replaced."""

SHOWN = 4
"""Replacements of a token that are written out; the data holds all."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A line that mattered: at which positions, with which values, through which keys, and what it read there.

    ``keys`` holds, for a head, the keys selected at each of ``at``; for a selector, the keys that mattered.
    """

    listed: Listed
    at: tuple[int, ...]
    values: tuple[Value, ...]
    keys: tuple[tuple[int, ...], ...]
    reads: tuple[str, ...]

    def __str__(self) -> str:
        parts = []
        for i, at in enumerate(self.at):
            shown = [cell(self.values[i])] if self.values else []
            if self.keys:
                through = ", ".join(map(str, self.keys[i])) or "none"
                shown.append(f"key{'s' if len(self.keys[i]) > 1 else ''} {through}")
            parts.append(f"at {at}: {' <- '.join(shown)}")
        return f"  {self.listed}\n      {'; '.join(parts)}"

    def as_dict(self) -> dict[str, Any]:
        """The reason as plain data."""
        about = {"name": self.listed.name, "text": self.listed.text, "kind": self.listed.kind}
        at = {"at": list(self.at), "values": list(self.values), "keys": [list(k) for k in self.keys]}
        return about | at | {"reads": list(self.reads)}


@dataclass(frozen=True, slots=True)
class Decisive:
    """A position whose token alone decides: which other tokens there give what else.

    ``meaningless`` are the tokens with which the program has no meaning.
    """

    position: int
    token: Value
    changes: tuple[tuple[Value, Value], ...]
    meaningless: tuple[Value, ...] = ()

    def __str__(self) -> str:
        shown = [f"{cell(t)} gives {cell(v)}" for t, v in self.changes[:SHOWN]]
        more = len(self.changes) - len(shown)
        return f"  {self.position} ({cell(self.token)}): {', '.join(shown)}" + (
            f", .. {more} more" if more else ""
        )

    def as_dict(self) -> dict[str, Any]:
        """The position as plain data."""
        changes = [{"token": t, "value": v} for t, v in self.changes]
        place = {"position": self.position, "token": self.token}
        return place | {"changes": changes, "meaningless": list(self.meaningless)}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an output holds what it holds at a position: the lines that mattered, output first, and the tokens.

    ``read`` are the positions of the tokens that it was made from, ``fixing`` those that fix it.
    """

    output: str
    position: int
    value: Value
    tokens: tuple[Value, ...]
    reasons: tuple[Reason, ...]
    read: tuple[int, ...]
    fixing: tuple[int, ...]
    replaced: tuple[Decisive, ...]

    @property
    def decisive(self) -> tuple[int, ...]:
        """The positions where another token changes the output."""
        return tuple(d.position for d in self.replaced if d.changes)

    def __str__(self) -> str:
        text = " ".join(map(cell, self.tokens))
        rows = [f"{self.output} at position {self.position} is {cell(self.value)}, in {text}", "because"]
        rows += map(str, self.reasons)
        rows.append(f"tokens read: {self._shown(self.read)}")
        rows.append(f"tokens that fix it, whatever the others are: {self._shown(self.fixing)}")
        rows.append("tokens that change it when replaced alone:" + ("" if self.decisive else " none"))
        rows += [str(d) for d in self.replaced if d.changes]
        return "\n".join(rows)

    def _shown(self, positions: tuple[int, ...]) -> str:
        return ", ".join(f"{i} ({cell(self.tokens[i])})" for i in positions) or "none"

    def as_dict(self) -> dict[str, Any]:
        """The explanation as plain data."""
        where = {"output": self.output, "position": self.position, "value": self.value}
        sets = {"read": list(self.read), "fixing": list(self.fixing), "decisive": list(self.decisive)}
        made = {"tokens": list(self.tokens), "reasons": [r.as_dict() for r in self.reasons]}
        return where | made | sets | {"replaced": [d.as_dict() for d in self.replaced]}


def explain(
    program: Program,
    tokens: Sized[Value],
    position: int,
    *,
    output: str | None = None,
    vocab: Iterable[Value] | None = None,
    causal: bool = False,
    signature: Signature | None = None,
) -> Explanation:
    """Say what decided an output of ``program`` on ``tokens`` at ``position``.

    Other tokens are those of ``signature`` or of ``vocab``; by default those that occur in the input.

    >>> import janiform as jf
    >>> found = explain(jf.programs.load("reverse"), "abc", 0)
    >>> found.value, found.read, found.fixing, found.decisive
    ('c', (2,), (2,), (2,))
    """
    if not 0 <= position < len(tokens):
        raise InputError(f"an input of {len(tokens)} tokens has no position {position}; positions start at 0")
    name = chosen_output(program, output)
    one = Program({name: program.outputs[name]}, program.names, program.spans, program.source)
    if signature is not None:
        signature.validate([tokens])
        vocab, causal = signature.vocab, signature.causal
    known = Signature([*(vocab or ()), *tokens], len(tokens), causal, bos="\0bos", pad="\0pad")
    why = Reasons(one, tokens, known)
    root = (one.output, (position,))
    value = why.value(one.output, position)
    read, fixing = why.closure(root, absent=False), why.closure(root)
    return Explanation(
        name,
        position,
        value,
        tuple(tokens),
        tuple(_reasons(program, why, read)),
        _positions(read),
        _positions(fixing),
        tuple(_replaced(one.output, list(tokens), position, known)),
    )


def _positions(cells: Iterable[Cell]) -> tuple[int, ...]:
    return tuple(sorted(place[0] for n, place in cells if isinstance(n, Tokens)))


def _reasons(program: Program, why: Reasons, read: dict[Cell, tuple[Cell, ...]]) -> Iterator[Reason]:
    """Gather the cells of each line that is written, the output first."""
    lines = listing(program)
    places: dict[Node, list[tuple[int, ...]]] = {}
    for n, place in read:
        places.setdefault(n, []).append(place)
    for n in reversed(lines):
        if n not in places:
            continue
        at = tuple(sorted({p[0] for p in places[n]}))
        causes = {c for place in places[n] for c, _ in read[n, place]}
        reads = tuple(line.name for m, line in lines.items() if m in causes)
        if isinstance(n, Selector):
            keys = tuple(tuple(sorted(p[1] for p in places[n] if p[0] == q)) for q in at)
            yield Reason(lines[n], at, (), keys, reads)
        elif isinstance(n, Sequence):
            head = isinstance(n, Aggregate | Count)
            keys = (
                tuple(_selected(why, n.selector, q) for q in at) if isinstance(n, Aggregate | Count) else ()
            )
            yield Reason(lines[n], at, tuple(why.value(n, p) for p in at), keys if head else (), reads)


def _selected(why: Reasons, s: Selector, query: int) -> tuple[int, ...]:
    return tuple(k for k, chosen in enumerate(why.pattern(s)[query].tolist()) if chosen)


# --- counterfactuals --------------------------------------------------------------------------------------------------


def _replaced(n: Sequence, tokens: list[Value], position: int, signature: Signature) -> Iterator[Decisive]:
    """Replace each token by each other one and see what the output becomes."""
    before = _values_at(n, [tokens], position, signature.causal)[0]
    own = [identity(canonical(t)) for t in tokens]
    others = [(i, v) for i, t in enumerate(own) for v in signature.vocab if identity(v) != t]
    after = _values_at(n, [[*tokens[:i], v, *tokens[i + 1 :]] for i, v in others], position, signature.causal)
    for i, token in enumerate(tokens):
        found = [(v, now) for (j, v), now in zip(others, after, strict=True) if j == i]
        changes = tuple((v, now[0]) for v, now in found if now and before and not alike(now[0], before[0]))
        lost = tuple(v for v, now in found if now is None)
        if changes or lost:
            yield Decisive(i, token, changes, lost)


def _values_at(
    n: Sequence, inputs: list[list[Value]], position: int, causal: bool
) -> list[tuple[Value] | None]:
    """The value of a node at a position of each input, None where it has no meaning."""
    found: list[tuple[Value] | None] = [None] * len(inputs)
    size = max(1, MAX_CELLS // max(1, len(inputs[0]) ** 2 if inputs else 1))
    parts = [range(start, min(start + size, len(inputs))) for start in range(0, len(inputs), size)]
    for part in parts:
        left = list(part)
        while left:
            try:
                column = Run([inputs[i] for i in left], causal=causal).column(n)
            except MeaningError as e:
                faulty = set(e.rows)
                left = [i for j, i in enumerate(left) if j not in faulty]
                continue
            for i, code in zip(left, column.codes[:, position].tolist(), strict=True):
                found[i] = (column.values[code],)
            break
    return found
