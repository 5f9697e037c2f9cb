"""What decompiling gives: the program, how it was found, and the evidence that it is the model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from janiform.decompile.evidence import Evidence
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

if TYPE_CHECKING:
    from janiform.decompile.subject import Subject
    from janiform.pair.pair import Pair


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Decompiled:
    """A program out of a model; ``subject`` is the model with the roles of its ids and how its output was read.

    >>> import janiform as jf
    >>> pair = jf.parse("hist = selector_width(select(tokens, tokens, ==));").compile("abc", 4)
    >>> found = jf.decompile(pair)
    >>> print(found)
    hist = selector_width(select(tokens, tokens, ==));
    <BLANKLINE>
    exact: all 120 inputs agree
    """

    program: Program
    signature: Signature
    method: Literal["exact", "denoised", "neural", "observed"]
    evidence: Evidence
    seconds: float
    subject: Subject

    def __call__(self, tokens: str | Sequence[Value]) -> Any:
        """Return what the program computes."""
        return self.program(tokens, causal=self.signature.causal)

    def compile(self) -> Pair:
        """Return the program compiled again."""
        return self.program.compile(signature=self.signature)

    def facts(self) -> dict[str, Any]:
        """Return everything as plain data."""
        e = self.evidence
        return {
            "program": str(self.program),
            "method": self.method,
            "exact": e.exact,
            "checked": e.checked,
            "exhaustive": e.exhaustive,
            "seconds": round(self.seconds, 3),
            "agreed": e.agreed,
            "counterexample": None if e.counterexample is None else list(e.counterexample),
            "weight_distance": e.weight_distance,
            "interchange": e.interchange,
            "vocab": list(self.signature.vocab),
            "max_len": self.signature.max_len,
            "causal": self.signature.causal,
            "roles": self.subject.roles.data(),
            "output": self.subject.output,
        }

    def __str__(self) -> str:
        e = self.evidence
        which = f"all {e.checked:,} inputs" if e.exhaustive else f"{e.checked:,} inputs"
        more = "" if e.exhaustive else f" (all of up to {e.whole} tokens, others drawn)"
        said = "agree" if e.exact else f"were compared, {e.agreed:,} agree"
        return f"{self.program}\n{self.method}: {which}{more} {said}"

    __repr__ = __str__
