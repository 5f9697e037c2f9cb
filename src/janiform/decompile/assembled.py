"""Tracr's models as they stand, with the encoders that name ids and outputs.

Tracr keeps no unembedding among its parameters; the output is then what the last component writes.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeGuard

from janiform.ir.nodes import Value


class Assembled(Protocol):
    """What of an assembled model of Tracr is read: no labels, no expressions."""

    @property
    def params(self) -> Any:
        """Arrays by module and name."""

    @property
    def model_config(self) -> Any:
        """The number of heads, and whether attention is causal."""

    @property
    def input_encoder(self) -> Any:
        """The ids of tokens, BOS and PAD."""

    @property
    def output_encoder(self) -> Any:
        """The ids of output values, where they are categories."""


def is_assembled(given: object) -> TypeGuard[Assembled]:
    """Return whether something has the parts of an assembled model of Tracr."""
    return all(hasattr(given, name) for name in ("params", "model_config", "input_encoder", "output_encoder"))


def names(model: Assembled) -> tuple[list[Value], list[Value] | None]:
    """Return the names of a model's tokens in the order of their ids, and of its classes if its outputs have any."""
    ids, special = (
        model.input_encoder.encoding_map,
        (model.input_encoder.bos_token, model.input_encoder.pad_token),
    )
    vocab = [v for v in sorted(ids, key=ids.get) if v not in special]
    outputs = getattr(model.output_encoder, "encoding_map", None)
    return vocab, None if outputs is None else sorted(outputs, key=outputs.get)
