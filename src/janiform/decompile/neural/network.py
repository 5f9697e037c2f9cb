"""The network: what a head is seen to do goes in, tokens of a statement come out.

A head's attention, its values, its layer and the statements that are known already become a few vectors each; a small
transformer writes tokens, looking at them. Heads are read one by one, so their order plays no part. How a reference is
written depends on what the statement that it refers to holds, so there is nothing to be learned for each number.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from janiform.decompile.neural.grammar import REFS, Grammar
from janiform.decompile.neural.views import ATTENTION, CODES, LAYERS, VALUES
from janiform.errors import FileError
from janiform.files import write_whole

FORMAT = "janiform neural decompiler"


@dataclass(frozen=True, slots=True)
class Size:
    """How large the network is."""

    width: int = 96
    layers: int = 2
    heads: int = 4
    hidden: int = 256
    longest: int = 48


@dataclass(frozen=True, slots=True)
class Seen:
    """What a batch of heads is seen by; ``refs`` says how many statements are known."""

    attention: Float[Tensor, "batch attention"]
    values: Float[Tensor, "batch values"]
    layer: Float[Tensor, "batch layers"]
    codes: Float[Tensor, "batch ref codes"]
    refs: Int[Tensor, " batch"]

    def to(self, device: torch.device) -> Seen:
        """Move it to a device."""
        parts = (self.attention, self.values, self.layer, self.codes, self.refs)
        return Seen(*(x.to(device) for x in parts))


class Network(nn.Module):
    """Writes statements; ``forward`` gives a score for each token after each prefix."""

    def __init__(self, grammar: Grammar, size: Size = Size()) -> None:
        super().__init__()
        self.grammar, self.size = grammar, size
        d = size.width
        self.attention = reader(ATTENTION, size.hidden, 3 * d)
        self.values = reader(VALUES, size.hidden // 2, 2 * d)
        self.layer = nn.Linear(2 * LAYERS, d)
        self.codes = reader(CODES, size.hidden // 2, d)
        self.tokens = nn.Embedding(len(grammar.tokens) - REFS + 1, d)
        self.places = nn.Parameter(0.02 * torch.randn(size.longest + 1, d))
        self.kinds = nn.Parameter(0.02 * torch.randn(7, d))
        block = nn.TransformerDecoderLayer(
            d, size.heads, size.hidden, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerDecoder(block, size.layers, nn.LayerNorm(d))

    def memory(
        self, seen: Seen
    ) -> tuple[Float[Tensor, "batch item d"], Bool[Tensor, "batch item"], Float[Tensor, "batch ref d"]]:
        """Return what is looked at, which of it is not there, and the vectors of references."""
        batch, d = len(seen.refs), self.size.width
        known = self.codes(seen.codes)
        items = torch.cat(
            [
                self.attention(seen.attention).view(batch, 3, d) + self.kinds[:3],
                self.values(seen.values).view(batch, 2, d) + self.kinds[3:5],
                self.layer(seen.layer)[:, None] + self.kinds[5],
                known + self.kinds[6],
            ],
            dim=1,
        )
        missing = torch.arange(REFS, device=items.device)[None] >= seen.refs[:, None]
        return items, F.pad(missing, (6, 0), value=False), known

    def forward(
        self,
        seen: Seen,
        prefix: Int[Tensor, "batch pos"],
        memory: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "batch pos1 token"]:
        """Return scores of the token after each prefix, the empty one first."""
        items, missing, known = self.memory(seen) if memory is None else memory
        plain = len(self.grammar.tokens) - REFS
        own = self.tokens(prefix.clamp(max=plain - 1) + 1)
        at = (prefix - plain).clamp(min=0)[..., None].expand(-1, -1, known.shape[-1])
        x = torch.where((prefix >= plain)[..., None], known.gather(1, at), own)
        start = self.tokens.weight[:1].expand(len(x), 1, -1)
        x = torch.cat([start, x], dim=1) + self.places[: prefix.shape[1] + 1]
        n = x.shape[1]
        future = torch.ones(n, n, dtype=torch.bool, device=x.device).triu(1)
        y = self.blocks(x, items, tgt_mask=future, memory_key_padding_mask=missing, tgt_is_causal=False)
        return torch.cat([y @ self.tokens.weight[1:].T, y @ known.transpose(1, 2)], dim=-1)

    @property
    def parameters_count(self) -> int:
        """How many parameters there are."""
        return sum(p.numel() for p in self.parameters())


def reader(width: int, hidden: int, out: int) -> nn.Module:
    """Return the layers that read features."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))


def save_network(network: Network, path: Path, *, half: bool = False) -> None:
    """Write a network with its grammar and size; weights only, in float16 where ``half``."""
    kind = torch.float16 if half else torch.float32
    tensors = {k: v.detach().to("cpu", kind).contiguous() for k, v in network.state_dict().items()}
    head = {
        "format": FORMAT,
        "size": json.dumps(asdict(network.size)),
        "tokens": json.dumps(network.grammar.data()),
    }
    write_whole(path, save(tensors, head))


def load_network(path: Path) -> Network:
    """Read a network; FileError where the file holds none."""
    try:
        with safe_open(str(path), "pt") as file:
            head = file.metadata() or {}
            if head.get("format") != FORMAT:
                raise FileError(f"{path} is no {FORMAT}")
            network = Network(Grammar.read(json.loads(head["tokens"])), Size(**json.loads(head["size"])))
            network.load_state_dict({k: file.get_tensor(k).float() for k in file.keys()})
    except FileError:
        raise
    except (SafetensorError, OSError, RuntimeError, KeyError, TypeError, ValueError) as e:
        raise FileError(f"{path} holds no network that can be read: {e}") from None
    return network.eval().requires_grad_(False)
