"""Syntax trees, and the fault that carries a place in a text. How deep a tree nests is counted as it grows, and bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

from janiform.ir.nodes import Value
from janiform.ir.program import Span

T = TypeVar("T")
MAX_DEPTH = 110


class Fault(Exception):
    """A fault in a text at a place; becomes a ``ParseError`` where the text is known."""

    def __init__(self, message: str, at: Span | None = None) -> None:
        super().__init__(message)
        self.message, self.at = message, at


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Base of syntax trees: where it starts and how deep it nests."""

    at: Span
    depth: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        deepest = max((t.depth for t in self.below()), default=0)
        if deepest >= MAX_DEPTH:
            raise Fault(f"nested more than {MAX_DEPTH} deep; give parts of it names", self.at)
        object.__setattr__(self, "depth", deepest + (not isinstance(self, Group)))

    def below(self) -> Sequence[Tree]:
        """The trees directly inside this one."""
        return ()


@dataclass_transform(frozen_default=True, eq_default=False)
def tree(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen tree type."""
    return dataclass(frozen=True, slots=True, eq=False)(cls)


@tree
class Name(Tree):
    id: str


@tree
class Literal(Tree):
    value: Value


@tree
class Operator(Tree):
    """A bare comparison, as in ``select(k, q, ==)``."""

    op: str


@tree
class Group(Tree):
    """Parentheses, however many."""

    inside: Tree

    def below(self) -> Sequence[Tree]:
        return (self.inside,)


@tree
class Items(Tree):
    """A list, or a tuple of values as a dict key."""

    items: tuple[Tree, ...]
    as_key: bool

    def below(self) -> Sequence[Tree]:
        return self.items


@tree
class Pairs(Tree):
    pairs: tuple[tuple[Tree, Tree], ...]

    def below(self) -> Sequence[Tree]:
        return [t for pair in self.pairs for t in pair]


@tree
class Comprehension(Tree):
    """A list (``key`` is None) or dict comprehension."""

    key: Tree | None
    value: Tree
    names: tuple[str, ...]
    source: Tree

    def below(self) -> Sequence[Tree]:
        return (self.value, self.source) if self.key is None else (self.key, self.value, self.source)


@tree
class Argument(Tree):
    """An argument of a call: by place, by keyword, or ``value where keyword = bound``."""

    value: Tree
    keyword: str | None = None
    bound: Tree | None = None

    def below(self) -> Sequence[Tree]:
        return (self.value,) if self.bound is None else (self.value, self.bound)


@tree
class Call(Tree):
    target: Tree
    arguments: tuple[Argument, ...]

    def below(self) -> Sequence[Tree]:
        return (self.target, *self.arguments)


@tree
class Index(Tree):
    target: Tree
    keys: tuple[Tree, ...]
    default: Tree | None

    def below(self) -> Sequence[Tree]:
        return (self.target, *self.keys, *(() if self.default is None else (self.default,)))


@tree
class Unary(Tree):
    op: str
    operand: Tree

    def below(self) -> Sequence[Tree]:
        return (self.operand,)


@tree
class Chain(Tree):
    """``first op second op third ..``, applied from left to right."""

    first: Tree
    rest: tuple[tuple[str, Span, Tree], ...]

    def below(self) -> Sequence[Tree]:
        return [self.first, *(t for _, _, t in self.rest)]


@tree
class Ternary(Tree):
    """``a if c else b if d else e``: the values a, b, e and the conditions c, d."""

    values: tuple[Tree, ...]
    conditions: tuple[Tree, ...]

    def below(self) -> Sequence[Tree]:
        return (*self.values, *self.conditions)


class Label(str):
    """An output's name that is no name of the language, written ``"so" = x;``."""


@tree
class Assign(Tree):
    targets: tuple[str, ...]
    values: tuple[Tree, ...]

    def below(self) -> Sequence[Tree]:
        return self.values


@tree
class Write(Tree):
    values: tuple[Tree, ...]

    def below(self) -> Sequence[Tree]:
        return self.values


@tree
class Give(Tree):
    """``return ..;``"""

    values: tuple[Tree, ...]

    def below(self) -> Sequence[Tree]:
        return self.values


@tree
class Load(Tree):
    path: str


@tree
class Define(Tree):
    name: str
    parameters: tuple[str, ...]
    body: tuple[Tree, ...]

    def below(self) -> Sequence[Tree]:
        return self.body


@tree
class Loop(Tree):
    names: tuple[str, ...]
    source: Tree
    body: tuple[Tree, ...]

    def below(self) -> Sequence[Tree]:
        return (self.source, *self.body)
