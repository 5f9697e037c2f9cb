"""Small pairs whose weights were written by hand, so that the pair is tested without trusting the compiler."""

from math import sqrt

import numpy as np

from janiform.compile.result import Bound, Compiled, Place, Readout
from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import Aggregate, Indices, Map, Select, Tokens
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.model import Config
from janiform.pair import Pair

HARD = 60.0


def blank(
    signature: Signature, d_model: int, d_out: int, positions: bool = False, **shape
) -> tuple[dict, dict]:
    """Return settings and all-zero weights whose first dimensions hold one-hot tokens, BOS and PAD, then maybe positions."""
    config = {
        "n_layers": 0,
        "n_heads": 0,
        "d_head": 0,
        "d_mlp": 0,
        "d_model": d_model,
        "d_vocab": len(signature.vocab) + 2,
        "d_vocab_out": d_out,
        "n_ctx": signature.max_len + 1,
        "act_fn": "relu",
        "attention_dir": "causal" if signature.causal else "bidirectional",
        "normalization_type": None,
        "dtype": "float32",
        **shape,
    }
    weights = {n: np.zeros(s, np.float32) for n, s in Config.from_dict(config).shapes()}
    d_vocab, n_ctx = config["d_vocab"], config["n_ctx"]
    weights["embed.W_E"][:, :d_vocab] = np.eye(d_vocab)
    if positions:
        weights["pos_embed.W_pos"][:, d_vocab : d_vocab + n_ctx] = np.eye(n_ctx)
    return config, weights


def pair_of(program, signature, config, weights, readouts, places=(), bound=None) -> Pair:
    bound = bound or Bound(1e-5, 0.25, "float32")
    return Pair.of(Compiled(program, signature, config, weights, tuple(readouts), tuple(places), bound))


def identity(vocab="abc", max_len=4) -> Pair:
    """No layer at all: tokens are read out as they are embedded."""
    signature = Signature(vocab, max_len)
    v = len(signature.vocab)
    config, w = blank(signature, v + 2, v)
    w["unembed.W_U"][:v] = np.eye(v)
    return pair_of(
        Program({"copy": Tokens()}),
        signature,
        config,
        w,
        [Readout("copy", "category", 0, v, signature.vocab)],
        [Place(Tokens(), "tokens", "embed", None, dims=tuple(range(v)), meaning=signature.vocab)],
    )


PREVIOUS = Select(Apply("==", (Arg(0), Apply("-", (Arg(1), Lit(1))))), Indices(), Indices())


def previous(vocab="abc", max_len=4, causal=False) -> Pair:
    """One head that looks one position back; the first position is undefined, a class of its own."""
    signature = Signature(vocab, max_len, causal)
    v, n = len(signature.vocab), max_len + 1
    d = max(v, n)
    config, w = blank(signature, v + 2 + n + v, v + 1, positions=True, n_layers=1, n_heads=1, d_head=d)
    tok, pos, out = slice(0, v), slice(v + 2, v + 2 + n), slice(v + 2 + n, None)
    w["blocks.0.attn.W_Q"][0, pos, :n] = HARD * sqrt(d) * np.eye(n, k=-1)
    w["blocks.0.attn.W_K"][0, pos, :n] = np.eye(n)
    w["blocks.0.attn.W_V"][0, tok, :v] = np.eye(v)
    w["blocks.0.attn.W_O"][0, :v, out] = np.eye(v)
    w["unembed.W_U"][out, 1:] = np.eye(v)
    w["unembed.b_U"][0] = 0.5
    node = Aggregate(PREVIOUS, Tokens())
    return pair_of(
        Program({"prev": node}, {node: "prev"}),
        signature,
        config,
        w,
        [Readout("prev", "category", 0, v + 1, (None, *signature.vocab))],
        [
            Place(Tokens(), "tokens", "embed", None, dims=tuple(range(v)), meaning=signature.vocab),
            Place(Indices(), "indices", "embed", None, dims=tuple(range(v + 2, v + 2 + n))),
            Place(PREVIOUS, "back", "virtual", None),
            Place(
                node,
                "prev",
                "head",
                0,
                (0,),
                dims=tuple(range(v + 2 + n, 2 * v + 2 + n)),
                meaning=signature.vocab,
            ),
        ],
    )


IS_A = Map(Apply("if", (Apply("==", (Arg(0), Lit("a"))), Lit(1), Lit(0))), (Tokens(),))


def fraction(vocab="ab", max_len=4) -> Pair:
    """A causal head that averages over everything but BOS; the output is a number."""
    signature = Signature(vocab, max_len, causal=True)
    v = len(signature.vocab)
    config, w = blank(signature, v + 3, 1, n_layers=1, n_heads=1, d_head=1)
    w["blocks.0.attn.b_Q"][0, 0] = 1
    w["blocks.0.attn.W_K"][0, v, 0] = -HARD
    w["blocks.0.attn.W_V"][0, 0, 0] = 1
    w["blocks.0.attn.W_O"][0, 0, v + 2] = 1
    w["unembed.W_U"][v + 2, 0] = 1
    everything = Select(Lit(True), Tokens(), Tokens())
    node = Aggregate(everything, IS_A)
    values = sorted({k / n for n in range(1, max_len + 1) for k in range(n + 1)})
    values = [int(x) if x in (0, 1) else x for x in values]
    return pair_of(
        Program({"fraction": node}, {node: "fraction"}),
        signature,
        config,
        w,
        [Readout("fraction", "number", 0, 1, tuple(values))],
        [Place(node, "fraction", "head", 0, (0,), dims=(v + 2,), meaning=("fraction",))],
    )


def through_mlp(vocab="abc", max_len=3) -> Pair:
    """One MLP, and a head beside it that nobody reads."""
    signature = Signature(vocab, max_len)
    v = len(signature.vocab)
    config, w = blank(signature, 2 * v + 3, v, n_layers=1, n_heads=1, d_head=1, d_mlp=v)
    w["blocks.0.attn.W_V"][0, 0, 0] = 1
    w["blocks.0.attn.W_O"][0, 0, 2 * v + 2] = 1
    w["blocks.0.mlp.W_in"][:v] = np.eye(v)
    w["blocks.0.mlp.W_out"][:, v + 2 : 2 * v + 2] = np.eye(v)
    w["unembed.W_U"][v + 2 : 2 * v + 2] = np.eye(v)
    return pair_of(
        Program({"copy": Tokens()}),
        signature,
        config,
        w,
        [Readout("copy", "category", 0, v, signature.vocab)],
        [Place(Tokens(), "copy", "mlp", 0, units=tuple(range(v)), dims=tuple(range(v + 2, 2 * v + 2)))],
    )


ALL = (identity, previous, fraction, through_mlp)
