"""A read-evaluate-print loop for RASP: every statement shows what it computes on the running example.

``Repl.feed`` takes lines and returns what to show, so that it needs no terminal; ``run`` is the terminal. The commands are
those of the published REPL (Weiss et al. 2021): ``set example``, ``show example``, ``examples on|off``, ``draw``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from janiform.errors import JaniformError, ParseError
from janiform.ir.evaluate import Run
from janiform.ir.nodes import Aggregate, Count, Node, Select, Selector, Sequence, Value, walk
from janiform.ir.program import Program
from janiform.text.grid import cell, grid
from janiform.text.interpret import Bindings, Interpreter
from janiform.text.prelude import library
from janiform.text.printer import literal, print_program, steps
from janiform.text.rasp import Folders, located
from janiform.text.scope import Scope
from janiform.text.syntax import syntax, unfinished
from janiform.text.trees import Call, Fault, Load, Loop, Name, Tree, Write
from janiform.text.values import Applied, Builtin, Function, Table, is_atom

HELP = """\
statements end in ';'        x = select(tokens, tokens, ==);   selector_width(x);
x("abc");                    the value of x on another input
set example "abc"            the running example; also a list, as in set example [1, 2, 3]
show example                 what it is
examples on | off            whether statements show their value on it
causal on | off              whether a position sees only what is before it
empty 0 | undefined          what aggregate gives where nothing is selected (the published REPL: 0)
draw(x, "abc");              every step of x, layer by layer
text x                       x as a program of its own
functions                    the functions that can be called
load "file";                 run a file and keep its names
quit"""
COMMAND = re.compile(
    r"\s*(?:(?P<help>help|\?)|(?P<quit>(?:quit|exit)(?:\(\))?)|(?P<functions>functions)"
    r"|set\s+(?:(?:s-op|selector)\s+)?example\s+(?P<set>.+)|(?P<show>show\s+(?:(?:s-op|selector)\s+)?example)"
    r"|(?P<which>(?:s-op|selector)\s+)?examples\s+(?P<examples>on|off)|causal\s+(?P<causal>on|off)"
    r"|empty\s+(?P<empty>0|undefined)"
    r"|full\s+seq\s+display\s+(?P<full>on|off)|text\s+(?P<text>\w+))\s*;?\s*(?:#.*)?\Z",
    re.DOTALL,
)


class Repl:
    """One session.

    >>> repl = Repl()
    >>> print(repl.feed("x = indices + 1;"))
         s-op: x
             Example: x("hello") = [1, 2, 3, 4, 5] (ints)
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        library_folder = Folders.beside(None).roots
        roots = library_folder if folder is None else (Path(folder).resolve(), *library_folder)
        self.interpreter = Interpreter("", Scope(library()), Folders(*roots))
        self.example: tuple[Value, ...] = tuple("hello")
        self.shown = {Sequence: True, Selector: True}
        self.causal = False
        self.faults = 0
        self.done = False
        self._buffer = ""

    @property
    def waiting(self) -> bool:
        """Whether the statement begun is not complete yet."""
        return bool(self._buffer)

    def cancel(self) -> None:
        """Forget a statement that was begun."""
        self._buffer = ""

    def feed(self, line: str) -> str:
        """Take a line; return what to show, empty while a statement is incomplete."""
        if not self._buffer and (command := COMMAND.match(line)):
            return self._guarded(line, lambda: self._command(command))
        text = f"{self._buffer}\n{line}" if self._buffer else line
        if not text.strip():
            return ""
        if unfinished(text):
            self._buffer = text
            return ""
        self._buffer = ""
        return self._statements(text)

    def finish(self) -> str:
        """Say what is wrong with a statement that was begun and never completed."""
        text, self._buffer = self._buffer, ""
        return self._statements(text) if text else ""

    # --- running ------------------------------------------------------------------------------------------------

    def _statements(self, text: str) -> str:
        shown: list[str] = []

        def run() -> str:
            for statement in syntax(text):
                self.interpreter.refresh(text)
                shown.append(self._show(statement, self.interpreter.execute(statement)))
            return ""

        fault = self._guarded(text, run)
        return "\n".join(s for s in (*shown, fault) if s)

    def _guarded(self, text: str, run: Any) -> str:
        try:
            return str(run())
        except Fault as e:
            error: JaniformError = located(e, text)
        except JaniformError as e:
            error = e
        self.faults += 1
        return _indented(f"!! {error}", 5)

    def _command(self, command: re.Match[str]) -> str:
        given = command.groupdict()
        if given["help"]:
            return HELP
        if given["quit"]:
            self.done = True
        elif given["functions"]:
            return self._functions()
        elif given["set"]:
            self._set_example(given["set"])
        elif given["show"]:
            return f"     example: {_input(self.example)}"
        elif given["examples"]:
            kinds = {"s-op": (Sequence,), "selector": (Selector,)}.get(
                (given["which"] or "").strip(), tuple(self.shown)
            )
            self.shown |= dict.fromkeys(kinds, given["examples"] == "on")
        elif given["causal"]:
            self.causal = given["causal"] == "on"
        elif given["empty"]:
            self.interpreter.empty = 0 if given["empty"] == "0" else None
        elif given["text"]:
            value = self._evaluate(given["text"])
            if not isinstance(value, Sequence):
                raise ParseError(f"{given['text']!r} is not a sequence")
            return print_program(Program({given["text"]: value}, self._names())).rstrip()
        return ""

    def _evaluate(self, text: str) -> Any:
        source = f"{text.rstrip().rstrip(';')};"
        statements = syntax(source)
        if len(statements) != 1 or not isinstance(statements[0], Write) or len(statements[0].values) != 1:
            raise ParseError("expected one value")
        self.interpreter.refresh(source)
        return self.interpreter.value(statements[0].values[0])

    def _set_example(self, text: str) -> None:
        value = self._evaluate(text)
        if not isinstance(value, str | list | tuple) or not all(map(is_atom, value)):
            raise ParseError('an example is a string or a list of values: set example "hello"')
        self.example = tuple(value)

    # --- showing ------------------------------------------------------------------------------------------------

    def _show(self, statement: Tree, bound: Bindings) -> str:
        if isinstance(statement, Loop):
            return ""
        if isinstance(statement, Write):
            for tree, (_, value) in zip(statement.values, bound, strict=True):
                if isinstance(tree, Call) and isinstance(tree.target, Name) and tree.target.id == "draw":
                    return self._draw(value)
        examples = not isinstance(statement, Load)
        return "\n".join(self._named(name or "out", value, examples) for name, value in bound)

    def _named(self, name: str, value: Any, examples: bool = True) -> str:
        match value:
            case Applied(node=node, tokens=tokens):
                return self._example(node, tokens, "     = ")
            case Sequence() | Selector():
                kind = Sequence if isinstance(value, Sequence) else Selector
                head = f"     {'s-op' if kind is Sequence else 'selector'}: {name}"
                if not (examples and self.shown[kind]):
                    return head
                start = f"{name}({_input(self.example)}) = " if kind is Sequence else ""
                return f"{head}\n{self._example(value, self.example, f'         Example: {start}')}"
            case Function() | Builtin():
                return f"     function: {value}"
            case Table():
                return f"     dict: {name} = {self._inline(value)}"
            case list() | tuple():
                return f"     list: {name} = {self._inline(value)}"
        return f"     value: {name} = {literal(value)}"

    def _example(self, node: Sequence | Selector, tokens: tuple[Value, ...], start: str) -> str:
        try:
            run = Run([list(tokens)], causal=self.causal)
            if isinstance(node, Selector):
                return f"{start.rstrip()}\n" + _indented(grid(run.pattern(node)[0], tokens), 13)
            return start + sequence_text(run.values(node)[0])
        except JaniformError as e:
            return f"{start}no value: {e}"

    def _inline(self, value: Any) -> str:
        match value:
            case Table():
                return (
                    "{" + ", ".join(f"{self._inline(k)}: {self._inline(v)}" for k, v in value.values()) + "}"
                )
            case list() | tuple():
                return "[" + ", ".join(map(self._inline, value)) + "]"
            case Node():
                return self._names().get(value, "s-op" if isinstance(value, Sequence) else "selector")
        return literal(value) if is_atom(value) else str(value)

    def _functions(self) -> str:
        seen: dict[str, Any] = {}
        scope: Scope | None = self.interpreter.scope
        while scope is not None:
            seen = {**scope.names, **seen}
            scope = scope.parent
        named = sorted(str(v) for v in seen.values() if isinstance(v, Function | Builtin))
        return "\n".join(
            f"     {f}" for f in ["map(x + y where x = .., y = ..)", "select(keys, queries, ==)", *named]
        )

    def _draw(self, request: list[Any]) -> str:
        node = request[0]
        given = request[1] if len(request) > 1 else self.example
        if not isinstance(given, str | list | tuple) or not all(map(is_atom, given)):
            raise ParseError('draw takes an input: draw(x, "hello")')
        tokens = tuple(given)
        run = Run([list(tokens)], causal=self.causal)
        titles = steps(Program({"out": node if isinstance(node, Sequence) else Count(node)}, self._names()))
        layers: dict[Node, int] = {}
        lines = [f"     {_input(tokens)}"]
        for n in walk(node):
            below = max((layers[i] for i in n.inputs), default=0)
            layers[n] = below + isinstance(n, Aggregate | Count)
        for layer in range(max(layers.values()) + 1):
            lines.append(f"     layer {layer}" if layer else "     before attention")
            for n in (n for n in layers if layers[n] == layer and n.inputs and n in titles):
                lines += self._step(n, titles[n], run, tokens)
        return "\n".join(lines)

    def _step(self, n: Node, title: str, run: Run, tokens: tuple[Value, ...]) -> Iterable[str]:
        if isinstance(n, Sequence):
            return [f"         {title}", f"             {sequence_text(run.values(n)[0])}"]
        lines = [f"         {title}"]
        if isinstance(n, Select):
            lines += [f"             keys    {sequence_text(run.values(n.keys)[0])}"]
            lines += [f"             queries {sequence_text(run.values(n.queries)[0])}"]
        assert isinstance(n, Selector)
        return [*lines, _indented(grid(run.pattern(n)[0], tokens), 13)]

    def _names(self) -> dict[Node, str]:
        return {**self.interpreter.local_names, **self.interpreter.names}


def sequence_text(values: list[Value]) -> str:
    """Write the values of a sequence as the REPL shows them.

    >>> sequence_text([5, 5, 5]), sequence_text(["a", None])
    ('[5]*3 (ints)', '[a, undefined] (strings)')
    """
    kinds = {bool: "bools", int: "ints", float: "floats", str: "strings"}
    found = {kinds[type(v)] for v in values if v is not None}
    found = {"floats"} if found == {"ints", "floats"} else found
    kind = found.pop() if len(found) == 1 else "mixed" if found else "nothing"
    shown = [cell(v) for v in values]
    if len(values) > 1 and len({(type(v), v) for v in values}) == 1:
        return f"[{shown[0]}]*{len(values)} ({kind})"
    return f"[{', '.join(shown)}] ({kind})"


def _input(tokens: tuple[Value, ...]) -> str:
    if tokens and all(isinstance(t, str) and len(t) == 1 for t in tokens):
        return literal("".join(map(str, tokens)))
    return f"[{', '.join(map(literal, tokens))}]"


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


def run(folder: str | Path | None = None) -> int:
    """Run a session on the terminal, or on the lines of standard input; return the exit code."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    repl, terminal = Repl(folder or Path.cwd()), sys.stdin.isatty()
    if terminal:
        import readline  # noqa: F401

        console.print('Janiform RASP. The running example is "hello"; "help" lists the commands.')
    while not repl.done:
        try:
            line = input(".. " if repl.waiting else ">> ") if terminal else sys.stdin.readline()
            if not terminal and not line:
                break
        except EOFError:
            break
        except KeyboardInterrupt:
            repl.cancel()
            console.print()
            continue
        before = repl.faults
        shown = repl.feed(line.rstrip("\n"))
        if shown:
            console.print(shown, style="red" if repl.faults > before else None)
    if left := repl.finish():
        console.print(left, style="red")
    return 1 if repl.faults and not terminal else 0
