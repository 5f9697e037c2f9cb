"""Which keys a selector takes, in few words: by where they stand, by what key and query hold, by the rule that picks one.

``previous``, ``same_token_before``, ``nearest_larger_token``. Of what depends on places alone the words are true of all
inputs of up to ``LONGEST`` tokens (or the signature's maximum), since it is run on one input of each length; the rest is read
off predicates as people and ``learn.harden`` write them. Words are parts of identifiers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from janiform.errors import FunctionError, MeaningError
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Fn, Lit, Lookup, affine, substitute
from janiform.ir.nodes import (
    Aggregate,
    And,
    Best,
    Const,
    Indices,
    Node,
    Select,
    Selector,
    Sequence,
    Tokens,
    Value,
)
from janiform.ir.semantics import Signature

LONGEST = 48
"""The longest inputs on which words for places are tried."""

MOST = 3
"""How many values of a set are said."""

MARKS = {"<s>": "start", "</s>": "end"}
SIGNS = {"parenthesis": "paren", "square_bracket": "bracket", "curly_bracket": "brace"}
SHORTER = re.compile("|".join(SIGNS))
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
AGAINST = {"==": "is", "!=": "is_not", "<": "below", ">": "above", "<=": "at_most", ">=": "at_least"}
ADJECTIVES = {"==": "same", "!=": "other", "<": "smaller", ">": "larger"}
PICKS = {
    ("closest", ""): "nearest",
    ("closest", "before"): "previous",
    ("closest", "after"): "next",
    ("closest", "elsewhere"): "nearest_other",
    ("leftmost", ""): "first",
    ("leftmost", "before"): "first",
    ("leftmost", "after"): "next",
    ("rightmost", ""): "last",
    ("rightmost", "before"): "previous",
    ("rightmost", "after"): "last",
    ("closest", "so_far"): "latest",
    ("rightmost", "so_far"): "latest",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Keys by where they stand: ``of`` is what a variable read there is called, ``name`` what the selector is.

    ``single`` says that they are one key at most; several have ``name`` as a suffix, empty where they are all.
    """

    name: str
    of: str = ""

    @property
    def single(self) -> bool:
        return bool(self.of)


@dataclass(frozen=True, slots=True)
class Held:
    """Keys by what they and the query hold.

    ``counted`` is for how many there are, ``kind`` goes before what is read there, ``where`` stands alone or after it. ``at`` is the number
    that a key's position equals; ``follows`` and ``precedes`` the variable that is the query's right before or after the key.
    """

    counted: str
    kind: str | None
    where: str
    at: str | None = None
    follows: str | None = None
    precedes: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a selector takes: of the keys at a place that hold something, all, or the one that ``pick`` says."""

    place: Place
    held: Held | None = None
    pick: str | None = None

    @property
    def name(self) -> str | None:
        """A name for the selector."""
        if self.held is None:
            return self.place.name or None
        if self.pick is None:
            return f"{self.held.where}_{self.place.name}" if self.place.name else self.held.where
        return f"{self.pick}_{self.held.kind}" if self.held.kind else f"{self.pick}_where_{self.held.where}"


class Choices:
    """What selectors take on inputs of a signature; ``nouns`` are the names of the variables that they compare."""

    def __init__(self, signature: Signature) -> None:
        self.nouns: dict[Sequence, str] = {Tokens(): "token", Indices(): "position"}
        lengths = np.arange(1, min(signature.max_len, LONGEST) + 1)
        self.run = Run([[0] * n for n in lengths.tolist()], causal=signature.causal)
        self.n = lengths[:, None, None]
        at = np.arange(self.run.width)
        self.q, self.k = at[None, :, None], at[None, None, :]
        self._positional: dict[Node, bool] = {}

    def positional(self, n: Node) -> bool:
        """Whether a node looks at no tokens."""
        if n not in self._positional:
            self._positional[n] = not isinstance(n, Tokens) and all(map(self.positional, n.inputs))
        return self._positional[n]

    def noun(self, n: Sequence) -> str | None:
        """What a variable is called, where it has a name."""
        return self.nouns.get(n)

    # --- variables of places alone ------------------------------------------------------------------------------------

    def standing(self, n: Sequence) -> str | None:
        """Say what a variable that looks at no tokens is of each place: ``mirror_position``, ``prefix_length``.

        >>> from janiform.ir.derived import apply
        >>> Choices(Signature("ab", 5)).standing(apply("%", Indices(), 2))
        'position_parity'
        """
        if not self.positional(n):
            return None
        try:
            column = self.run.column(n)
        except (MeaningError, FunctionError):
            return None
        numbers = [float(v) if isinstance(v, bool | int | float) else np.nan for v in column.values]
        found = np.array(numbers)[column.codes]
        n_, q = self.n[:, :, 0], self.q[:, :, 0]
        known = [
            ("position", q),
            ("mirror_position", n_ - 1 - q),
            ("sequence_length", n_),
            ("prefix_length", q + 1),
            ("suffix_length", n_ - q),
            ("last_position", n_ - 1),
            ("position_parity", q % 2),
            ("length_parity", n_ % 2),
            ("is_first", q == 0),
            ("is_last", q == n_ - 1),
            *((f"position_plus_{c}", q + c) for c in range(2, 10)),
            *((f"position_minus_{c}", q - c) for c in range(1, 10)),
            *((f"position_mod_{c}", q % c) for c in range(3, 10)),
        ]
        return next((w for w, x in known if (found == x)[self.run.valid].all()), None)

    # --- selectors ----------------------------------------------------------------------------------------------------

    def place(self, s: Selector) -> Place | None:
        """Say where the keys stand that a selector takes which looks at no tokens.

        >>> before = Select(Apply("<", (Arg(0), Arg(1))), Indices(), Indices())
        >>> Choices(Signature("ab", 5)).place(Best(before, "closest")).of
        'previous_{}'
        """
        try:
            taken = self.run.pairs_selected(s)
        except (MeaningError, FunctionError):
            return None
        if not taken.any():
            return None
        return next((p for p, x in self._places() if (taken == (x & self.run.pairs)).all()), None)

    def _places(self) -> Iterator[tuple[Place, np.ndarray]]:
        q, k, n = self.q, self.k, self.n
        yield Place(""), k == k
        yield Place("here", "{}_here"), k == q
        yield Place("previous", "previous_{}"), k == q - 1
        yield Place("next", "next_{}"), k == q + 1
        yield Place("first", "first_{}"), k == 0
        yield Place("last", "last_{}"), k == n - 1
        yield Place("mirror", "mirror_{}"), k == n - 1 - q
        yield Place("before"), k < q
        yield Place("after"), k > q
        yield Place("elsewhere"), k != q
        yield Place("so_far"), k <= q
        yield Place("onward"), k >= q
        for c in range(2, self.run.width):
            yield Place(f"back_{c}", f"{{}}_{c}_back"), k == q - c
            yield Place(f"ahead_{c}", f"{{}}_{c}_ahead"), k == q + c
        for c in range(1, self.run.width):
            yield Place(f"at_{c}", f"{{}}_at_{c}"), k == c

    def of(self, s: Selector) -> Choice | None:
        """Say what a selector takes; None where there are no words for it.

        >>> same = Select(Apply("==", (Arg(0), Arg(1))), Tokens(), Tokens())
        >>> before = Select(Apply("<", (Arg(0), Arg(1))), Indices(), Indices())
        >>> Choices(Signature("ab", 5)).of(And(same, before)).name
        'same_token_before'
        """
        if self.positional(s):
            standing = self.place(s)
            return Choice(standing) if standing else None
        match s:
            case Select():
                held = self.held(s)
                return Choice(Place(""), held) if held else None
            case And():
                parts = list(conjuncts(s))
                placed = [p for p in parts if self.positional(p)]
                holding = [p for p in parts if p not in placed]
                if len(holding) != 1 or not isinstance(holding[0], Select):
                    return None
                place, held = self.place(conjunction(placed)), self.held(holding[0])
                return Choice(place, held) if place and held else None
            case Best(selector=several, rule="leftmost" | "rightmost" | "closest" as rule):
                found = self.of(several)
                if found is None or found.pick or found.held is None or found.place.single:
                    return None
                pick = PICKS.get((rule, found.place.name))
                pick = "latest" if self.run.causal and pick in ("nearest", "last") else pick
                return Choice(found.place, found.held, pick) if pick else None
            case Best(selector=several, rule="largest" | "smallest" as rule, score=Sequence() as score):
                found, noun = self.of(several), self.noun(score)
                if found is None or found.held or not noun:
                    return None
                return Choice(found.place, Held(noun, noun, noun), rule)
        return None

    def held(self, s: Select) -> Held | None:
        """Say what key and query hold where a selector takes the key."""
        sides = (s.keys, s.queries)
        pred = substitute(
            s.pred, tuple(Lit(x.value) if isinstance(x, Const) else Arg(i) for i, x in enumerate(sides))
        )
        k, q = self.noun(s.keys), self.noun(s.queries)
        if (values := _values(pred)) is not None:
            words = [word(v) for v in values[: MOST + 1]]
            if not k or not words or len(words) > MOST or None in words:
                return None
            said = "_or_".join(map(str, words))
            named = said if k == "token" else f"{k}_{said}"
            return Held(named, named, f"{k}_is_{said}")
        match pred:
            case Apply(op=op, args=(Arg(index=0), Lit(value=v))) if op in AGAINST and k and word(v):
                said = f"{k}_{AGAINST[op]}_{word(v)}"
                return Held(said, None, said)
            case Apply(op=op, args=parts) if op in AGAINST and k and q:
                return self._compared(s, op, affine(Apply("-", parts), 2), k, q)
        return None

    def _compared(self, s: Select, op: str, apart: list[float] | None, k: str, q: str) -> Held | None:
        """Words for ``key op query + c``."""
        if apart is None or apart[:2] not in ([1, -1], [-1, 1]) or apart[2] % 1:
            return None
        op, c = (op, -int(apart[2])) if apart[0] == 1 else (FLIPPED[op], int(apart[2]))
        by = q if c == 0 else f"{q}_{'plus' if c > 0 else 'minus'}_{abs(c)}"
        where = f"{k}_{AGAINST[op]}_{by}"
        at = by if op == "==" and s.keys is Indices() else None
        if s.keys is s.queries and c == 0:
            if op not in ADJECTIVES:
                return Held(where, None, where)
            said = f"{ADJECTIVES[op]}_{k}"
            return Held(k if op == "==" else said, said, said)
        if op != "==":
            return Held(where, None, where)
        follows = q if c == 0 and self.moved(s.keys, s.queries, "previous") else None
        precedes = q if c == 0 and self.moved(s.keys, s.queries, "next") else None
        counted = by if s.keys is s.queries else f"{by}_among_{k}"
        return Held(counted, None, where, at, follows, precedes)

    def moved(self, a: Sequence, b: Sequence, place: str) -> bool:
        """Whether ``a`` is ``b`` as it is at the previous or next position."""
        if not isinstance(a, Aggregate) or a.values is not b or not self.positional(a.selector):
            return False
        found = self.place(a.selector)
        return found is not None and found.name == place


def conjuncts(s: Selector) -> Iterator[Selector]:
    """Yield the selectors of which one takes what all take."""
    if isinstance(s, And):
        yield from conjuncts(s.left)
        yield from conjuncts(s.right)
    else:
        yield s


def conjunction(several: list[Selector]) -> Selector:
    """Return the selector that takes what all take."""
    joined = several[0]
    for s in several[1:]:
        joined = And(joined, s)
    return joined


def _values(pred: Fn) -> list[Value] | None:
    """The values of the key that a predicate asks for, where it asks for nothing else."""
    match pred:
        case Apply(op="==", args=(Arg(index=0), Lit(value=v)) | (Lit(value=v), Arg(index=0))):
            return [v]
        case Apply(op="in", args=(Arg(index=0), *several)):
            values = [p.value for p in several if isinstance(p, Lit)]
            return values if len(values) == len(several) else None
        case Lookup(args=(Arg(index=0),), rows=rows, default=Lit(value=False)):
            return [keys[0] for keys, v in rows if v is True]
    return None


def word(v: Value) -> str | None:
    """A value as a part of an identifier, None where it has no short one.

    >>> word("a"), word("("), word("</s>"), word(-3), word("isn't")
    ('a', 'left_paren', 'end', 'minus_3', None)
    """
    if isinstance(v, bool | int):
        return str(v).lower().replace("-", "minus_")
    if not isinstance(v, str):
        return None
    if v in MARKS:
        return MARKS[v]
    if re.fullmatch(r"<?[A-Za-z0-9_]+>?", v):
        return v.strip("<>_") or None
    if len(v) == 1 and v.isascii() and (name := unicodedata.name(v, "")):
        return SHORTER.sub(lambda m: SIGNS[m[0]], re.sub(r"\W", "_", name.lower()))
    return None
