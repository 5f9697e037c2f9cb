"""Expressions of Tracr's language: annotations, names and the graph they form."""

from __future__ import annotations

import abc
import copy as copying
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from janiform.errors import ProgramError
from janiform.ir.nodes import Value

Annotator = Callable[["RASPExpr"], Any]
E = TypeVar("E", bound="RASPExpr")

DEFAULT_ANNOTATORS: dict[str, Annotator] = {}
"""What an annotation is where an expression was given none, by its key."""


class Annotations(Mapping[str, Any]):
    """Facts attached to an expression; a missing one is asked of its default annotator when first read."""

    def __init__(self, expr: RASPExpr, given: Mapping[str, Any]) -> None:
        self._expr = expr
        self._known = dict(given)

    def __getitem__(self, key: str) -> Any:
        if key not in self._known:
            if key not in DEFAULT_ANNOTATORS:
                known = ", ".join(sorted({*self._known, *DEFAULT_ANNOTATORS}))
                raise KeyError(f"no annotation {key!r}; there are {known}")
            self._known[key] = DEFAULT_ANNOTATORS[key](self._expr)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class RASPExpr(abc.ABC):
    """An expression; called on an input, it gives its value there."""

    kind: ClassVar[str] = ""
    _numbers: ClassVar[Iterator[int]] = itertools.count(1)

    def __init__(self) -> None:
        self._annotations = Annotations(self, {})
        self._unique_id: int | None = None

    def __call__(self, xs: Sequence[Value]) -> Any:
        """Evaluate the expression on ``xs``."""
        from janiform.interop.tracr.evaluation import evaluate

        return evaluate(self, xs)

    @property
    @abc.abstractmethod
    def children(self) -> list[Any]:
        """The expressions that this one reads."""

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What is known of this expression beside its value."""
        return self._annotations

    @annotations.setter
    def annotations(self, annotations: Mapping[str, Any]) -> None:
        self._annotations = Annotations(self, annotations)

    @property
    def name(self) -> str:
        """The name it was given, or that of its kind."""
        return self.annotations["name"]

    @property
    def unique_id(self) -> int:
        """A number that no other expression has."""
        if self._unique_id is None:
            self._unique_id = next(RASPExpr._numbers)
        return self._unique_id

    @property
    def label(self) -> str:
        """The name made unique."""
        return f"{self.name}_{self.unique_id}"

    def copy(self: E) -> E:
        """Return another expression with the same children and annotations."""
        new = copying.copy(self)
        new._unique_id = None
        new._annotations = Annotations(new, self._annotations)
        return new

    def named(self: E, name: str) -> E:
        """Return a copy of that name."""
        return annotate(self, name=name)

    def annotated(self: E, **annotations: Any) -> E:
        """Return a copy with these annotations added."""
        return annotate(self, **annotations)


def annotate(expr: E, **annotations: Any) -> E:
    """Return a copy of ``expr`` with annotations added; the new ones win.

    >>> from janiform.interop.tracr.rasp import tokens
    >>> annotate(tokens, note=1).annotations["note"]
    1
    """
    new = expr.copy()
    new.annotations = {**expr.annotations, **annotations}
    return new


def need(what: str, x: object, kind: Any) -> None:
    """Refuse what is not of the class of expressions that is due."""
    if not isinstance(x, kind):
        wanted = "a selector" if kind.kind == "selector" else "a sequence operation"
        raise ProgramError(f"{what} must be {wanted}, got {type(x).__name__}")


def descendants(expr: RASPExpr) -> Iterator[RASPExpr]:
    """Yield every expression under ``expr`` once, children before those that read them."""
    done: set[int] = set()
    stack: list[tuple[RASPExpr, bool]] = [(expr, False)]
    while stack:
        e, ready = stack.pop()
        if id(e) in done:
            continue
        if ready:
            done.add(id(e))
            yield e
        else:
            stack.append((e, True))
            stack.extend((c, False) for c in reversed(e.children) if id(c) not in done)


def default_name(expr: RASPExpr) -> str:
    """Return the name of an expression that was given none.

    >>> from janiform.interop.tracr.rasp import tokens
    >>> default_name(tokens == 1)
    'map'
    """
    if not expr.kind:
        raise NotImplementedError(f"{type(expr).__name__} is no kind of expression with a name")
    return expr.kind


DEFAULT_ANNOTATORS["name"] = default_name
