"""How tightly a piece of Python binds, told by the operators outside its brackets, and parentheses where that is too loose."""

from __future__ import annotations

import re

QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
STRING = re.compile(QUOTED)
BRACKETS = re.compile(r"[(\[{][^()\[\]{}]*[)\]}]")

CONDITION, OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, ATOM = range(9)
OPERATORS = (
    re.compile(r" (if|for) "),
    re.compile(r" or "),
    re.compile(r" and "),
    re.compile(r"^not "),
    re.compile(r" (==|!=|<|<=|>|>=|in|not in) "),
    re.compile(r" [+-] "),
    re.compile(r" (\*|//|%) "),
    re.compile(r"^-"),
)
LEVELS = {"+": SUM, "-": SUM, "*": PRODUCT, "//": PRODUCT, "%": PRODUCT}


def binding(part: str) -> int:
    """Return how tightly an expression binds.

    >>> binding("x[i + 1]") == ATOM, binding("'a or b' in y") == COMPARE, binding("f(a if b else c) + 1") == SUM
    (True, True, True)
    """
    bare = STRING.sub("s", part)
    while BRACKETS.search(bare):
        bare = BRACKETS.sub("b", bare)
    return next((level for level, pattern in enumerate(OPERATORS) if pattern.search(bare)), ATOM)


def within(part: str, level: int) -> str:
    """Return an expression, in parentheses where it binds less tightly.

    >>> within("a + b", SUM), within("a + b", PRODUCT)
    ('a + b', '(a + b)')
    """
    return part if binding(part) >= level else f"({part})"


def infix(op: str, left: str, right: str) -> str:
    """Join two operands with as few parentheses as Python needs.

    >>> infix("-", "a - b", "c - d"), infix("==", "2 * a", "b")
    ('a - b - (c - d)', '2 * a == b')
    """
    level = LEVELS.get(op, COMPARE)
    return f"{within(left, max(level, SUM))} {op} {within(right, level + 1)}"
