"""Which ids of a language model are the answers of a program: one vocabulary for what goes in and what comes out.

Where the one output of a program takes values that are tokens, its logits stand at those tokens' ids, *undefined* at that of
BOS, so the most likely next token is the answer. All other outputs have ids of their own behind PAD. An id that is never an
answer has a logit below all others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from janiform.compile.result import Readout
from janiform.ir.functions import identity
from janiform.ir.semantics import Signature


@dataclass(frozen=True, slots=True)
class Answers:
    """``ids[j]`` is the id whose logit is column ``j`` of the compiled model, of ``size`` ids in all.

    >>> found = Answers.of((Readout("copy", "category", 0, 2, ("b", "a")),), Signature("ab", 3))
    >>> found.ids, found.size, found.readouts[0].values
    ((1, 0), 4, ('a', 'b'))
    >>> Answers.of((Readout("hist", "category", 0, 3, (1, 2, 3)),), Signature("ab", 3)).ids
    (4, 5, 6)
    """

    ids: tuple[int, ...]
    size: int
    readouts: tuple[Readout, ...]

    @classmethod
    def of(cls, readouts: tuple[Readout, ...], signature: Signature) -> Answers:
        """Choose ids for the columns of read-outs."""
        vocab = signature.vocab
        bos, behind = len(vocab), len(vocab) + 2
        token = {identity(v): i for i, v in enumerate(vocab)} | {None: bos}
        first = readouts[0]
        if len(readouts) == 1 and first.kind != "number" and all(identity(v) in token for v in first.values):
            ids = tuple(token[identity(v)] for v in first.values)
            values = (*vocab, None) if bos in ids else vocab
            return cls(ids, behind, (replace(first, start=0, stop=len(values), values=values),))
        width = max(r.stop for r in readouts)
        moved = tuple(replace(r, start=r.start + behind, stop=r.stop + behind) for r in readouts)
        return cls(tuple(range(behind, behind + width)), behind + width, moved)

    def columns(
        self,
        weights: Float[np.ndarray, "d_model logit"],
        bias: Float[np.ndarray, " logit"],
        extent: Float[np.ndarray, " d_model"],
    ) -> tuple[Float[np.ndarray, "d_model id"], Float[np.ndarray, " id"]]:
        """Return the unembedding of every id: an answer's own, and for the others a bias below all logits."""
        largest = float((np.abs(weights).T @ extent + np.abs(bias)).max())
        columns = np.zeros((len(weights), self.size))
        biases = np.full(self.size, -(2.0 ** np.ceil(np.log2(2 * largest + 2))))
        columns[:, self.ids], biases[list(self.ids)] = weights, bias
        return columns, biases
