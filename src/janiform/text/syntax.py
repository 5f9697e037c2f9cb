"""From text to syntax trees by the grammar in ``rasp.lark``, with errors that say what was expected.

Nothing here recurses, so no text is too deep to be refused. The surface is the published REPL's language (Weiss et al. 2021).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lark import (
    Lark,
    LarkError,
    Transformer_NonRecursive,
    UnexpectedCharacters,
    UnexpectedInput,
    UnexpectedToken,
    v_args,
)
from lark.exceptions import VisitError

from janiform.errors import ParseError
from janiform.ir.functions import is_number
from janiform.ir.program import Span
from janiform.text.trees import (
    Argument,
    Assign,
    Call,
    Chain,
    Comprehension,
    Define,
    Fault,
    Give,
    Group,
    Index,
    Items,
    Label,
    Literal,
    Load,
    Loop,
    Name,
    Operator,
    Pairs,
    Ternary,
    Tree,
    Unary,
    Write,
)

MAX_TEXT = 2_000_000
MAX_DIGITS = 300
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
DIRECTIVE = re.compile(
    r"^[ \t]*(?:(?:set|show)[ \t]+(?:(?:s-op|selector)[ \t]+)?example\b[^\r\n]*"
    r"|(?:(?:s-op|selector)[ \t]+)?examples[ \t]+(?:on|off)\b[^\r\n]*"
    r"|full[ \t]+seq[ \t]+display[ \t]+(?:on|off)\b[^\r\n]*)",
    re.MULTILINE,
)


def syntax(text: str) -> tuple[Tree, ...]:
    """Parse ``text`` into statements.

    >>> [type(s).__name__ for s in syntax("x = tokens; for i in [1] { x = x + i; }")]
    ['Assign', 'Loop']
    """
    if len(text) > MAX_TEXT:
        raise ParseError(f"the text has {len(text)} characters, more than {MAX_TEXT}")
    blank = DIRECTIVE.sub(lambda m: " " * len(m.group()), text)
    try:
        return _Builder().transform(_grammar().parse(blank))  # type: ignore[no-any-return]
    except VisitError as e:
        if not isinstance(e.orig_exc, Fault):
            raise e.orig_exc from None
        message, at = e.orig_exc.message, e.orig_exc.at or Span(1, 1)
        line, column = at.line, at.column
    except UnexpectedCharacters as e:
        message, (line, column) = _strange(e.char, text, e.pos_in_stream or 0), (e.line, e.column)
    except UnexpectedInput as e:
        message, line, column = _unexpected(e, text)
    raise ParseError(message, source=text, line=line, column=column)


def unfinished(text: str) -> bool:
    """Whether more text could make ``text`` whole: an open bracket, or a statement without its ``;``.

    >>> unfinished("def f(x) {"), unfinished("x = 1;"), unfinished("x = ]")
    (True, False, False)
    """
    try:
        _grammar().parse(DIRECTIVE.sub("", text))
    except UnexpectedToken as e:
        return e.token.type == "$END"
    except LarkError:
        pass
    return False


@lru_cache(maxsize=1)
def _grammar() -> Any:
    grammar = files("janiform.text").joinpath("rasp.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        propagate_positions=True,
        maybe_placeholders=True,
    )


# --- errors ---------------------------------------------------------------------------------------------------------

_WORDS = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "STRING": "a string",
    "NOT": "'not'",
    "OR": "'or'",
    "AND": "'and'",
    "PLUS": "'+'",
    "TIMES": "'*'",
    "$END": "the end",
}
_VALUE = {"NAME", "INT", "FLOAT", "STRING", "LPAR", "LSQB", "LBRACE"}


def _strange(char: str, text: str, position: int) -> str:
    if char == '"':
        escape = re.match(r'"([^"\\\r\n]|\\[^\r\n])*', text[position:])
        closed = escape is not None and text[position + escape.end() : position + escape.end() + 1] == '"'
        return "this string does not end on its line" if not closed else "a string cannot stand here"
    if char == "'":
        return "strings are written with double quotes"
    if char == "!":
        return "'not equal' is written !=, negation 'not'"
    if char in "&|":
        return f"{char!r} is not an operator; write 'and' or 'or'"
    return f"unexpected character {char!r}"


def _unexpected(e: Any, text: str) -> tuple[str, int, int]:
    token = e.token
    spelled = {t.name: t.pattern.value for t in _grammar().terminals if t.pattern.type == "str"}
    expected = set(getattr(e, "accepts", None) or e.expected)
    words: list[str] = []
    if expected >= _VALUE:
        words, expected = (
            ["a value"],
            expected - _VALUE - {"NOT", "PLUS"} - ({"RPAR", "RSQB", "RBRACE"} - {token.type}),
        )
    elif len(expected) > 8 and "SEMICOLON" in expected:
        words, expected = ["';' or an operator"], set()
    words += sorted({_WORDS.get(t) or repr(spelled.get(t, t)) for t in expected})
    wanted = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    if token.type == "$END":
        lines = text.rstrip().splitlines() or [""]
        return f"the text ends too early: expected {wanted}", len(lines), len(lines[-1]) + 1
    written = text[: token.start_pos].rstrip().splitlines()
    if "';'" in wanted and 0 < len(written) < token.line:
        return f"expected {wanted} here, before {str(token)!r}", len(written), len(written[-1]) + 1
    return f"unexpected {str(token)!r}: expected {wanted}", token.line, token.column


# --- building -------------------------------------------------------------------------------------------------------


def _at(meta: Any) -> Span:
    return Span(getattr(meta, "line", 1), getattr(meta, "column", 1))


def _unquote(token: Any) -> str:
    def unescape(m: re.Match[str]) -> str:
        body = m.group(1)
        if body[0] in "ux":
            return chr(int(body[1:], 16))
        if body not in ESCAPES:
            raise Fault(
                f"unknown escape \\{body}; write \\\\ for a backslash",
                Span(token.line, token.column + 1 + m.start()),
            )
        return ESCAPES[body]

    return re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", unescape, str(token)[1:-1])


@v_args(inline=True, meta=True)
class _Builder(Transformer_NonRecursive):  # type: ignore[type-arg]
    """Makes trees from the parser's reductions; lark calls the method named like the rule."""

    def start(self, meta: Any, *statements: Any) -> Any:
        return tuple(s for s in statements if s is not None)

    def nothing(self, meta: Any) -> None:
        return None

    def write(self, meta: Any, values: Any) -> Any:
        return Write(_at(meta), values)

    def assign(self, meta: Any, targets: Any, values: Any) -> Any:
        for t in targets:
            if not isinstance(t, Name) and not (isinstance(t, Literal) and isinstance(t.value, str)):
                raise Fault("only a name can be assigned to", t.at)
        names = tuple(t.id if isinstance(t, Name) else Label(t.value) for t in targets)
        return Assign(_at(meta), names, values)

    def give(self, meta: Any, values: Any) -> Any:
        return Give(_at(meta), values)

    def load(self, meta: Any, path: Any) -> Any:
        return Load(_at(meta), _unquote(path))

    def define(self, meta: Any, name: Any, parameters: Any, *body: Any) -> Any:
        statements = tuple(s for s in body if s is not None)
        if not statements or not isinstance(statements[-1], Give):
            raise Fault(f"the function {name} must end in 'return ..;'", _at(meta))
        _no_return(statements[:-1])
        parameters = parameters or ()
        if len(set(parameters)) < len(parameters):
            raise Fault(f"the function {name} has two parameters of one name", _at(meta))
        return Define(_at(meta), str(name), parameters, statements)

    def loop(self, meta: Any, names: Any, source: Any, *body: Any) -> Any:
        statements = tuple(s for s in body if s is not None)
        _no_return(statements)
        return Loop(_at(meta), names, source, statements)

    def names(self, meta: Any, *names: Any) -> Any:
        return tuple(map(str, names))

    def exprs(self, meta: Any, *exprs: Any) -> Any:
        return exprs

    def ternary(self, meta: Any, *parts: Any) -> Any:
        return Ternary(_at(meta), parts[::2], parts[1::2])

    def chain(self, meta: Any, first: Any, *rest: Any) -> Any:
        return Chain(
            _at(meta),
            first,
            tuple((str(op), _place(op), t) for op, t in zip(rest[::2], rest[1::2], strict=True)),
        )

    def compare(self, meta: Any, *words: Any) -> Any:
        return _Word(" ".join(map(str, words)), _at(meta))

    def unary(self, meta: Any, op: Any, operand: Any) -> Any:
        if str(op) == "-" and isinstance(operand, Literal) and is_number(operand.value):
            return Literal(_at(meta), -operand.value)  # type: ignore[operator]
        return Unary(_at(meta), str(op), operand)

    def power(self, meta: Any, base: Any, exponent: Any) -> Any:
        return Chain(_at(meta), base, (("^", exponent.at, exponent),))

    def call(self, meta: Any, target: Any, arguments: Any) -> Any:
        return Call(_at(meta), target, arguments or ())

    def index(self, meta: Any, target: Any, keys: Any, default: Any) -> Any:
        return Index(_at(meta), target, keys, default)

    def name(self, meta: Any, name: Any) -> Any:
        return _CONSTANTS[name](_at(meta)) if name in _CONSTANTS else Name(_at(meta), str(name))

    def integer(self, meta: Any, digits: Any) -> Any:
        if len(digits) > MAX_DIGITS:
            raise Fault(f"a number of {len(digits)} digits is too long", _at(meta))
        return Literal(_at(meta), int(digits))

    def real(self, meta: Any, digits: Any) -> Any:
        value = float(digits)
        if value in (float("inf"), float("-inf")):
            raise Fault(f"{digits} is too large a number", _at(meta))
        return Literal(_at(meta), value)

    def string(self, meta: Any, token: Any) -> Any:
        return Literal(_at(meta), _unquote(token))

    def group(self, meta: Any, inside: Any) -> Any:
        return inside if isinstance(inside, Group) else Group(_at(meta), inside)

    def row(self, meta: Any, first: Any, rest: Any) -> Any:
        return Items(_at(meta), (first, *(rest or ())), True)

    def items(self, meta: Any, items: Any) -> Any:
        return Items(_at(meta), items or (), False)

    def list_of(self, meta: Any, value: Any, names: Any, source: Any) -> Any:
        return Comprehension(_at(meta), None, value, names, source)

    def pair(self, meta: Any, key: Any, value: Any) -> Any:
        return key, value

    def pairs(self, meta: Any, *pairs: Any) -> Any:
        return Pairs(_at(meta), tuple(p for p in pairs if p is not None))

    def dict_of(self, meta: Any, pair: Any, names: Any, source: Any) -> Any:
        return Comprehension(_at(meta), pair[0], pair[1], names, source)

    def arguments(self, meta: Any, *arguments: Any) -> Any:
        return arguments

    def positional(self, meta: Any, value: Any) -> Any:
        return Argument(_at(meta), value)

    def keyword(self, meta: Any, name: Any, value: Any) -> Any:
        return Argument(_at(meta), value, str(name))

    def bound(self, meta: Any, value: Any, name: Any, bound: Any) -> Any:
        return Argument(_at(meta), value, str(name), bound)

    def operator(self, meta: Any, op: Any) -> Any:
        return Operator(_at(meta), str(op))


@dataclass(frozen=True, slots=True)
class _Word:
    """A comparison's name and place."""

    text: str
    at: Span

    def __str__(self) -> str:
        return self.text


_CONSTANTS: dict[str, Callable[[Span], Tree]] = {
    "True": lambda at: Literal(at, True),
    "False": lambda at: Literal(at, False),
    "undefined": lambda at: Literal(at, None),
}


def _place(op: Any) -> Span:
    return op.at if isinstance(op, _Word) else Span(op.line, op.column)


def _no_return(statements: tuple[Tree, ...]) -> None:
    for s in statements:
        if isinstance(s, Give):
            raise Fault("'return' must be the last statement of its function", s.at)
