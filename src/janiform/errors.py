"""One exception tree: every fault a user can cause is a ``JaniformError`` that says what was seen, where, and what would work."""

from __future__ import annotations


class JaniformError(Exception):
    """Root of every error that Janiform raises on purpose."""


class ParseError(JaniformError):
    """Text that is not a program; shows the source line with a caret.

    >>> print(ParseError("expected ';'", source="x = tokens", line=1, column=11))
    line 1, column 11: expected ';'
        x = tokens
                  ^
    """

    def __init__(self, message: str, *, source: str = "", line: int = 0, column: int = 0) -> None:
        self.message, self.line, self.column = message, line, column
        super().__init__(located(message, source, line, column))


class ProgramError(JaniformError):
    """A graph that is not a legal program: a selector where a sequence is due, a wrong arity."""


class MeaningError(JaniformError):
    """A program that has no meaning on an input: names the node, its line and the input.

    ``rows`` numbers the inputs of a batch on which the same fault was met.
    """

    rows: tuple[int, ...] = ()


class FunctionError(MeaningError):
    """An elementwise function applied to values on which it is undefined, such as ``1 / 0``."""


class InputError(JaniformError):
    """An input outside the signature: an unknown token, too long, or of the wrong shape."""


class CompileError(JaniformError):
    """A program that cannot become weights at this size or precision: names the size and the remedy."""


class FileError(JaniformError):
    """A file that is missing, corrupted, hostile, or of another version."""


def located(message: str, source: str, line: int, column: int) -> str:
    """Return ``message`` with its place and the source line under which a caret points."""
    if not line:
        return message
    lines = source.splitlines()
    text = lines[line - 1].replace("\t", " ") if 0 < line <= len(lines) else ""
    if not text:
        return f"line {line}: {message}"
    return f"line {line}, column {column}: {message}\n    {text}\n    {' ' * (column - 1)}^"
