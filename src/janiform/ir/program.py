"""A program: named outputs over a graph of nodes, with the names and source lines its author gave.

Equality is of the outputs alone; names and lines are for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from janiform.errors import ProgramError
from janiform.ir.nodes import Node, Selector, Sequence, Value, walk

if TYPE_CHECKING:
    from janiform.ir.semantics import Signature
    from janiform.pair import Pair


@dataclass(frozen=True, slots=True)
class Span:
    """Where in a source text a node was written (1-based)."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, repr=False)
class Program:
    """Outputs by name, in order; ``names`` and ``spans`` label nodes for printing and errors.

    >>> from janiform.ir.nodes import Tokens
    >>> Program({"copy": Tokens()}).output
    Tokens()
    """

    outputs: Mapping[str, Sequence]
    names: Mapping[Node, str] = field(default_factory=dict, compare=False)
    spans: Mapping[Node, Span] = field(default_factory=dict, compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.outputs:
            raise ProgramError("a program needs at least one output")
        for name, out in self.outputs.items():
            if not isinstance(out, Sequence):
                kind = "a selector" if isinstance(out, Selector) else type(out).__name__
                raise ProgramError(f"output {name!r} must be a sequence, got {kind}")

    def __hash__(self) -> int:
        return hash(tuple(self.outputs.items()))

    def __str__(self) -> str:
        """The program as RASP text, which parses back to it."""
        from janiform.text.printer import print_program

        return print_program(self)

    def __repr__(self) -> str:
        return str(self).rstrip()

    def __call__(self, tokens: str | Sized[Value], *, causal: bool = False) -> Any:
        """Run the program on one input; a string gives a string where every value is a character.

        >>> import janiform as jf
        >>> jf.parse("shifted = aggregate(select(indices, indices - 1, ==), tokens);")("abc")
        [None, 'a', 'b']
        """
        from janiform.ir.evaluate import evaluate

        outputs = evaluate(self, [tokens], causal=causal)
        return answer({name: rows[0] for name, rows in outputs.items()}, isinstance(tokens, str))

    @property
    def output(self) -> Sequence:
        """The only output; ``ProgramError`` when there are several."""
        if len(self.outputs) != 1:
            raise ProgramError(f"the program has {len(self.outputs)} outputs: {', '.join(self.outputs)}")
        return next(iter(self.outputs.values()))

    def nodes(self) -> list[Node]:
        """Every node once, inputs first."""
        return list(walk(*self.outputs.values()))

    def where(self, n: Node) -> str:
        """Name ``n`` for an error message: its kind, its name and line where known."""
        named = f" {self.names[n]!r}" if n in self.names else ""
        line = f" (line {self.spans[n].line})" if n in self.spans else ""
        return f"{type(n).__name__.lower()}{named}{line}"

    def map(self, change: Callable[[Node], Node]) -> Program:
        """Rebuild the graph from the inputs up with ``change`` applied to every node; labels follow their nodes."""
        new: dict[Node, Node] = {}
        for n in self.nodes():
            inputs = tuple(new[i] for i in n.inputs)
            new[n] = change(n if inputs == n.inputs else n.with_inputs(inputs))
        moved = {name: new[out] for name, out in self.outputs.items()}
        return Program(
            moved,  # type: ignore[arg-type]
            {new[n]: s for n, s in self.names.items() if n in new},
            {new[n]: s for n, s in self.spans.items() if n in new},
            self.source,
        )

    def replace(self, old: Node, by: Node) -> Program:
        """Return the program with ``by`` wherever ``old`` stood."""
        return self.map(lambda n: by if n is old else n)

    def compile(
        self,
        vocab: Iterable[Value] | None = None,
        max_len: int | None = None,
        causal: bool = False,
        *,
        signature: Signature | None = None,
        layout: Literal["separate", "reuse"] = "separate",
        dtype: Literal["auto", "float32", "float64"] = "auto",
    ) -> Pair:
        """Compile the program, for a vocabulary and maximum length or for a signature, to a pair with a transformer."""
        from janiform.pair.compile import compile_pair

        return compile_pair(self, vocab, max_len, causal, signature=signature, layout=layout, dtype=dtype)


def answer(outputs: Mapping[str, list[Value]], joined: bool) -> Any:
    """Give the outputs on one input the form in which a caller reads them: one by itself, several by name.

    >>> answer({"x": ["a", "b"]}, True), answer({"x": ["a", "b"], "y": [1, 2]}, True)
    ('ab', {'x': 'ab', 'y': [1, 2]})
    """
    shown = {name: _joined(values) if joined else values for name, values in outputs.items()}
    return shown if len(shown) > 1 else next(iter(shown.values()))


def _joined(values: list[Value]) -> str | list[Value]:
    characters = [v for v in values if isinstance(v, str) and len(v) == 1]
    return "".join(characters) if len(characters) == len(values) else values


def program(
    outputs: Sequence | Iterable[tuple[str, Sequence]] | Mapping[str, Sequence], name: str = "output"
) -> Program:
    """Make a program of one node or of several named ones."""
    return Program({name: outputs} if isinstance(outputs, Sequence) else dict(outputs))
