"""Python's operators, position by position: what series and the two sides of a selection have in common."""

from __future__ import annotations

from typing import Any

from janiform.errors import ProgramError

NO_TRUTH = (
    "a {what} has a value at each position, so it is not simply true or false: write & | ~ for and, or, not, "
    "where(c, a, b) for a if c else b, and x.isin(..) for x in .."
)


class Arithmetic:
    """Operators that act position by position; ``_apply`` says on what."""

    __slots__ = ()

    def _apply(self, op: str, *operands: Any) -> Any:
        raise NotImplementedError

    def __bool__(self) -> bool:
        raise ProgramError(NO_TRUTH.format(what=type(self).__name__.lower()))

    def __iter__(self) -> Any:
        raise ProgramError(
            f"a {type(self).__name__.lower()} has no length of its own: call it on an input first"
        )

    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Any:
        return self._apply("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._apply("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._apply("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._apply("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._apply("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._apply("*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._apply("/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._apply("/", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._apply("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._apply("//", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._apply("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._apply("%", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._apply("^", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._apply("^", other, self)

    def __neg__(self) -> Any:
        return self._apply("neg", self)

    def __abs__(self) -> Any:
        return self._apply("abs", self)

    def __round__(self, digits: int = 0) -> Any:
        return self._apply("round", self, digits) if digits else self._apply("round", self)

    def __floor__(self) -> Any:
        return self._apply("floor", self)

    def __ceil__(self) -> Any:
        return self._apply("ceil", self)

    def __eq__(self, other: Any) -> Any:
        return self._apply("==", self, other)

    def __ne__(self, other: Any) -> Any:
        return self._apply("!=", self, other)

    def __lt__(self, other: Any) -> Any:
        return self._apply("<", self, other)

    def __le__(self, other: Any) -> Any:
        return self._apply("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._apply(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return self._apply(">=", self, other)
