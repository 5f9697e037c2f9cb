"""Models without a codec: the roles of their ids and the variable that is their output are told from their weights.

Where no names are given, tokens are called by their ids, classes by their number, and numbers are what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from janiform.compile.result import Readout
from janiform.decompile.compiled.exact import READINGS
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.compiled.last import last_variable, reads_last
from janiform.decompile.compiled.network import Network, of_model
from janiform.decompile.compiled.outputs import Outlet, read_output
from janiform.decompile.compiled.pipeline import read_stream
from janiform.decompile.compiled.roles import Roles, roles_of
from janiform.decompile.compiled.stream import Stream
from janiform.decompile.subject import Subject
from janiform.errors import InputError
from janiform.ir.functions import is_number, order
from janiform.ir.nodes import Value
from janiform.ir.semantics import Signature
from janiform.model import Transformer


def unnamed(model: Transformer, vocab: Iterable[Value] | None, classes: Iterable[Value] | None) -> Subject:
    """Return what is to be decompiled of a bare model.

    Raises InputError where names do not fit the model, CannotDecompile where its weights are no tables at all.
    """
    net, classes = of_model(model), None if classes is None else tuple(classes)
    roles = roles_of(model)
    names: list[Value] = list(roles.tokens) if vocab is None else list(vocab)
    if len(names) != len(roles.tokens):
        raise InputError(f"{len(names)} names for the {len(roles.tokens)} tokens of the model")
    signature = Signature(names, model.config.n_ctx - 1, model.config.attention_dir == "causal")
    if len(signature.vocab) != len(names):
        raise InputError("every token needs a name of its own")
    ids = tuple(roles.tokens[names.index(v)] for v in signature.vocab)
    roles = replace(roles, tokens=ids)
    first: CannotDecompile | None = None
    for tolerance, lenient in READINGS:
        try:
            stream = read_stream(net, roles, tolerance, lenient=lenient)
            return _with_output(model, net, stream, roles, signature, classes)
        except CannotDecompile as e:
            first = first or e
    assert first is not None
    raise first


def _with_output(
    model: Transformer,
    net: Network,
    stream: Stream,
    roles: Roles,
    signature: Signature,
    classes: tuple[Value, ...] | None,
) -> Subject:
    """Read the output by the unembedding if that is the model's own, else by what the last component wrote."""
    assert net.W_U is not None and net.b_U is not None
    if reads_last(stream, net):
        readout = _readout(stream, Outlet("output", net.W_U, net.b_U), classes)
        return Subject(model, roles, signature, (readout,), "unembedding")
    outlet = last_variable(stream, classes)
    readout = _readout(stream, outlet, classes)
    return Subject(_reading(model, outlet), roles, signature, (readout,), "last component")


def _readout(stream: Stream, outlet: Outlet, classes: tuple[Value, ...] | None) -> Readout:
    """Say how an output without a codec is read: as the largest of its classes, or as a number."""
    width, undefined = outlet.W_U.shape[1], outlet.values or ()
    if width <= 2 and not undefined:
        view = read_output(stream, outlet)
        if width == 1 or None in view.values:
            numbers = {v for v in (view.values if classes is None else classes) if is_number(v)}
            return Readout("output", "number", 0, width, tuple(sorted(numbers, key=order)))
    values: tuple[Value, ...] = tuple(range(width - len(undefined)))
    if classes is not None:
        values = tuple(v for v in classes if v not in undefined)
    if len(values) + len(undefined) != width:
        raise InputError(f"{len(values)} names for the {width - len(undefined)} classes of the output")
    return Readout("output", "category", 0, width, (*undefined, *values))


def _reading(model: Transformer, outlet: Outlet) -> Transformer:
    """Return the model with another unembedding."""
    config = replace(model.config, d_vocab_out=outlet.W_U.shape[1])
    weights = model.weights()
    weights["unembed.W_U"] = outlet.W_U.astype(config.dtype)
    weights["unembed.b_U"] = outlet.b_U.astype(config.dtype)
    return Transformer.from_weights(config, {n: np.ascontiguousarray(w) for n, w in weights.items()})
