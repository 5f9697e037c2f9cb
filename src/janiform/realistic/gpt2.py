"""From a compiled pair to a stock GPT-2: LayerNorm, GELU, one vocabulary, no bias behind the unembedding.

The program is compiled again for that arithmetic, with the bound that holds there, and its weights are written into
GPT-2's shape. Which programs cannot: under causal attention no position sees a later one, so a program that looks ahead
has no GPT-2. It has a model of the same shape with attention both ways, which ``Transformer`` runs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from janiform.compile import compile_program
from janiform.compile.precision import Arithmetic
from janiform.errors import CompileError
from janiform.ir.nodes import Selector
from janiform.ir.semantics import Signature
from janiform.pair.basis import Origin
from janiform.realistic.answers import Answers
from janiform.realistic.lookahead import first_look_ahead
from janiform.realistic.normal import Norm, normal_shape
from janiform.realistic.ready import with_a_layer, with_copies

if TYPE_CHECKING:
    from janiform.pair.pair import Pair


def to_gpt2(
    pair: Pair,
    *,
    tied: bool = False,
    norm: Norm = "LN",
    causal: bool = True,
    dtype: Literal["auto", "float32", "float64"] = "auto",
) -> Pair:
    """Return a pair of the same program whose model has GPT-2's shape: a checkpoint that Hugging Face loads.

    ``tied`` makes unembedding and token embedding one matrix. ``norm="RMS"`` has RMSNorm and ``causal=False`` attention both
    ways; no GPT-2 has either, ``Transformer`` does. Raises CompileError for a program that looks ahead under ``causal``, and
    for a pair whose weights are not the compiler's: disguise or compress what this returns.

    >>> from janiform import programs
    >>> gpt2 = to_gpt2(programs.load("hist").compile("abc", 5, causal=True))
    >>> gpt2("abca"), gpt2.check().good, gpt2.model.config.normalization_type, gpt2.model.config.act_fn
    ([1, 1, 1, 2], True, 'LN', 'gelu_new')
    """
    if norm not in ("LN", "RMS"):
        raise CompileError(f"unknown normalization {norm!r}: LN or RMS")
    signature = _causal(pair) if causal else pair.signature
    _refuse_others(pair)
    arithmetic = partial(Arithmetic, normal=True, copied=tied)
    compiled = with_a_layer(compile_program(pair.program, signature, dtype=dtype, arithmetic=arithmetic))
    if tied:
        compiled = with_copies(compiled)
    shaped, basis = normal_shape(compiled, Answers.of(compiled.readouts, signature), norm=norm, tied=tied)
    origin, result = type(pair).of(compiled), type(pair).of(shaped)
    more = shaped.config["n_heads"] - compiled.config["n_heads"]
    heads = (*range(compiled.config["n_heads"]), *[None] * more)
    return replace(result, basis=basis, origin=Origin(origin, (heads,) * compiled.config["n_layers"]))


def _causal(pair: Pair) -> Signature:
    """Return the signature under causal attention; CompileError where the program would mean something else."""
    s = pair.signature
    ahead = first_look_ahead(pair.program, s)
    if ahead is not None:
        nodes = pair.program.nodes()
        reader = (
            next((n for n in nodes if ahead in n.inputs), ahead) if isinstance(ahead, Selector) else ahead
        )
        raise CompileError(
            f"{pair.program.where(reader)} may look at later positions, and a GPT-2 sees none: its attention is causal. "
            "causal=False (--both-ways) gives a model of the same shape with attention both ways, which Transformer runs; "
            "the program compiled with causal=True would mean something else"
        )
    return s if s.causal else Signature(s.vocab, s.max_len, True, s.bos, s.pad)


def _refuse_others(pair: Pair) -> None:
    """Raise CompileError for weights that are not the compiler's: their change would be lost without a word."""
    layout = pair.layout if pair.layout in ("separate", "reuse") else "separate"
    own = compile_program(pair.program, pair.signature, layout=layout, dtype=pair.bound.dtype)  # type: ignore[arg-type]
    theirs = pair.model.weights()
    if set(theirs) == set(own.weights) and all(
        x.shape == own.weights[n].shape and np.allclose(x, own.weights[n], rtol=1e-5)
        for n, x in theirs.items()
    ):
        return
    raise CompileError(
        "only weights as the compiler wrote them take GPT-2's shape, and these were changed (disguised, compressed, "
        "trained or edited); call to_gpt2() first, on program.compile(...)"
    )
