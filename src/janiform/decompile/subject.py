"""What is decompiled: a transformer's weights, the names of its tokens and outputs, and nothing of any program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from janiform.compile.result import Readout
from janiform.decompile.compiled.roles import Roles
from janiform.ir.semantics import Signature
from janiform.model import Transformer


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model whose ids have roles; ``readouts`` say how its logits are read.

    ``signature.vocab[i]`` is the name of the id ``roles.tokens[i]``. ``output`` says by what the output is known; where
    that is the last component, ``model`` has an unembedding that reads it.
    """

    model: Transformer
    roles: Roles
    signature: Signature
    readouts: tuple[Readout, ...]
    output: Literal["codec", "unembedding", "last component"] = "codec"
