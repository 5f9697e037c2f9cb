"""The RASP language as text: ``parse`` makes a program of it.

The grammar is ``rasp.lark``; source: Weiss et al. 2021 and its REPL. Beyond it: ``undefined``, ``defined(x)``,
``aggregate_sum/min/max``, ``best(sel, rule[, score])``, ``const(v)``, ``d[x else v]``, ``{(1, "a"): 2}[x, y]``, predicates
``select(k, q, key < query + 1)``, and ``map(x + y where x = a, y = b)`` for exactly one map. Precedence is Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from janiform.errors import ParseError
from janiform.ir.nodes import Const, Node, Sequence, Value, walk
from janiform.ir.program import Program
from janiform.text.interpret import Bindings, Interpreter
from janiform.text.prelude import library
from janiform.text.printer import print_program
from janiform.text.scope import Scope
from janiform.text.syntax import MAX_TEXT, syntax
from janiform.text.trees import Fault
from janiform.text.values import is_atom, kind, suggestion

__all__ = ["Folders", "finished", "located", "parse", "print_program"]


def parse(
    text: str,
    *,
    outputs: Iterable[str] | None = None,
    filename: str | Path | None = None,
    load: Callable[[str], str] | None = None,
    empty: Value = None,
) -> Program:
    """Parse RASP text into a program.

    >>> parse("reverse = aggregate(select(indices, length - indices - 1, ==), tokens);").outputs.keys()
    dict_keys(['reverse'])

    The outputs are the sequences that the last statement to make any assigns or writes, or those named in ``outputs``.
    ``load "x";`` looks beside ``filename`` and in the library, or calls ``load``. An ``aggregate`` without a default gives
    ``empty`` where nothing is selected: undefined, unless told 0, which is the published REPL's way. Raises ``ParseError``.
    """
    interpreter = Interpreter(text, Scope(library()), load or Folders.beside(filename))
    interpreter.empty = empty
    last: Bindings = []
    statements = syntax(text)
    for statement in statements:
        try:
            bound = interpreter.execute(statement)
        except Fault as e:
            raise located(e, text) from None
        made = [(n, v) for n, v in bound if isinstance(v, Sequence)]
        if made or not any(isinstance(v, Sequence) for _, v in last):
            last = made or [(n, v) for n, v in bound if is_atom(v)] or last
    if outputs is not None:
        wanted = [outputs] if isinstance(outputs, str) else list(outputs)
        named = {name: _output(name, interpreter) for name in wanted}
    else:
        named = {
            (("out" if i == 0 else f"out{i + 1}") if n is None else n): _lifted(v)
            for i, (n, v) in enumerate(last)
        }
    if not named:
        end = statements[-1].at if statements else None
        at = {"line": end.line, "column": end.column} if end else {"line": 1, "column": 1}
        raise ParseError(
            "the program computes no sequence; end it with one, as in 'x = tokens;'", source=text, **at
        )
    return finished(named, interpreter)


def finished(outputs: dict[str, Sequence], interpreter: Interpreter) -> Program:
    """Make the program of ``outputs`` with the names and places that the interpreter noted."""
    reached = set(walk(*outputs.values()))
    names: dict[Node, str] = {}
    for known in (interpreter.names, interpreter.local_names):
        for node, name in known.items():
            if node in reached:
                names.setdefault(node, name)
    spans = {node: at for node, at in interpreter.spans.items() if node in reached}
    return Program(outputs, names, spans, interpreter.text)


def located(e: Fault, text: str) -> ParseError:
    """The fault as an error that shows its line."""
    line, column = (e.at.line, e.at.column) if e.at else (0, 0)
    return ParseError(e.message, source=text, line=line, column=column)


class Folders:
    """Where ``load`` looks: under given folders and nowhere else."""

    def __init__(self, *roots: Path) -> None:
        self.roots = roots

    @staticmethod
    def beside(filename: str | Path | None) -> Folders:
        """The folder of ``filename`` (if any), then the program library."""
        programs = Path(__file__).resolve().parent.parent / "programs"
        return Folders(programs) if filename is None else Folders(Path(filename).resolve().parent, programs)

    def __call__(self, path: str) -> str:
        names = [path] if path.endswith(".rasp") else [f"{path}.rasp"]
        for root in self.roots:
            for name in names:
                if "\0" in name or len(name) > 500:
                    raise Fault("not a file name")
                found = (root / name).resolve()
                if not found.is_relative_to(root.resolve()):
                    raise Fault(f"{path!r} is outside the folder {root}; load only what lies below it")
                if found.is_file():
                    if found.stat().st_size > MAX_TEXT:
                        raise Fault(f"{path!r} is larger than {MAX_TEXT} bytes")
                    try:
                        return found.read_text(encoding="utf-8")
                    except (OSError, UnicodeDecodeError) as e:
                        raise Fault(f"cannot read {path!r}: {e}") from None
        raise Fault(f"no file {names[0]!r} in {', '.join(map(str, self.roots))}")


def _output(name: str, interpreter: Interpreter) -> Sequence:
    names = interpreter.scope.names
    if name not in names:
        raise ParseError(
            f"the program has no {name!r}{suggestion(name, names)}; it has {', '.join(names) or 'nothing'}"
        )
    value = names[name]
    if not isinstance(value, Sequence) and not is_atom(value):
        raise ParseError(f"an output must be a sequence; {name!r} is {kind(value)}")
    return _lifted(value)


def _lifted(value: object) -> Sequence:
    return value if isinstance(value, Sequence) else Const(value)  # type: ignore[arg-type]
