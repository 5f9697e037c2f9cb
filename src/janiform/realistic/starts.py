"""Where learning a narrow stream begins: without a direction of a wider one, by what explains most of what is read, or without PAD.

The first two look at activations of the exact model and at the columns through which it reads them, each counted as of length
1. The third gives up the dimension by which PAD differs from tokens: nobody attends to it, so where it stands matters only as
far as nobody does, and it can stand at any combination of tokens that no head attends to.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from janiform.realistic.extents import READING
from janiform.realistic.projection import Matrices
from janiform.realistic.shortfall import Shortfall

UNEVEN = (0.0, 0.5, 1.5)
"""Deviations of the logarithms of the weights that columns and activations are given, in turn."""
DRAWN = 2
"""How many starts are drawn for each that is wanted."""
BESIDE, FAR = 400, (1.0, 3.0, 10.0, 30.0)
"""How many places of PAD are tried, and how many times as far as tokens stand."""
LITTLE = 1e-9
"""What is added to the diagonal of a covariance, as a share of its mean, so that it has a root."""


class Starts:
    """Starts of one width, given what was found for the width above."""

    def __init__(self, shortfall: Shortfall) -> None:
        self.projection = shortfall.projection
        lesson = shortfall.teacher.lesson(300, [3], plain=True)
        record, tokens = lesson.record, lesson.tokens
        streams = [record[name] for name in shortfall.teacher.streams]
        if not streams:
            points = ["hook_embed", "hook_pos_embed"]
            embedded = shortfall.teacher.run(lesson.ids, lesson.positions, points)
            streams = [embedded["hook_embed"] + embedded["hook_pos_embed"]]
        # What stands at BOS and PAD matters too, but is always the same: a few of each are enough.
        rest = [x[~tokens][:60] for x in streams]
        self.embedded = self._embedded(shortfall)
        self.stands = torch.cat([*(x[tokens] for x in streams), *rest])
        columns = [
            w.transpose(-2, -1).flatten(0, -2).T
            for name, w in shortfall.weights.items()
            if name.rsplit(".", 1)[-1] in READING
        ]
        reads = torch.cat(columns, 1)
        self.reads = reads / reads.norm(dim=0).clamp(min=1e-30)

    def below(
        self, best: Float[Tensor, " parameter"], width: int, count: int, seed: int
    ) -> Float[Tensor, "start parameter"]:
        """Return starts of the width below ``width`` to choose ``count`` of."""
        draw = torch.Generator().manual_seed(seed * 2**16 + width)
        dropped = self._dropped(self.projection.matrices(best, width), width)
        drawn = (self._explaining(width - 1, UNEVEN[i % 3], draw) for i in range(DRAWN * count))
        aside = self._aside(draw) if width == len(self.projection.scale) else ()
        return torch.stack([self.projection.parameters(m) for m in (*dropped, *drawn, *aside)])

    def _dropped(self, matrices: Matrices, width: int) -> Iterator[Matrices]:
        """Yield a projection without one of its directions: balanced, and as they are."""
        balanced = self._balanced(matrices)
        matter = (matrices[0].norm(dim=0) * matrices[1].norm(dim=1)).argsort().tolist()
        for i in range(width):
            for (encode, decode, offset), out in ((balanced, width - 1 - i), (matrices, matter[i])):
                keep = [j for j in range(width) if j != out]
                yield encode[:, keep], decode[keep], offset

    def _embedded(self, shortfall: Shortfall) -> tuple[Tensor, Tensor, Tensor]:
        """Return where tokens stand at each position, and where BOS and PAD do."""
        codec, weights = shortfall.pair.codec, shortfall.weights
        token, position = weights["embed.W_E"], weights["pos_embed.W_pos"]
        others = [i for i in range(len(token)) if i not in (codec.bos, codec.pad)]
        standing = token[others][:, None] + position[None, 1:]
        return standing, token[codec.bos] + position[0], token[codec.pad] + position[1]

    def _aside(self, draw: torch.Generator) -> Iterator[Matrices]:
        """Yield projections of the full width to one less that put PAD at combinations of tokens, if it has a dimension."""
        standing, bos, pad = self.embedded
        if self.projection.method != "autoencoder":  # one matrix cannot: what it puts aside, it reads aside
            return
        where = torch.cat([standing.flatten(0, 1), bos[None], pad[None]])
        wanted = torch.zeros(len(where), 1, dtype=where.dtype)
        wanted[-1] = 1.0
        told = torch.linalg.lstsq(where, wanted, driver="gelsd").solution
        if float((where @ told - wanted).abs().max()) > 1e-6:
            return
        for i in range(BESIDE):
            shares = _normal(len(standing), draw)
            shares = FAR[i // 2 % len(FAR)] * (shares - shares.mean() if i % 2 else shares)
            put = torch.eye(len(pad), dtype=pad.dtype) - told * (pad - shares @ standing.mean(1))
            u, size, v = torch.linalg.svd(put * self.projection.scale / self.projection.scale[:, None])
            root = size[:-1].sqrt()
            yield (
                self.projection.scale[:, None] * u[:, :-1] * root,
                root[:, None] * v[:-1] / self.projection.scale,
                torch.zeros_like(size),
            )

    def _balanced(self, matrices: Matrices) -> Matrices:
        """Turn directions so that they come in the order of what stands there times how it is read (Moore 1981)."""
        encode, decode, offset = matrices
        stands, reads = self.stands @ encode, decode @ self.reads
        stands = stands - stands.mean(0)
        held, seen = (_root(x) for x in (stands.T @ stands / len(stands), reads @ reads.T))
        if (
            self.projection.method != "autoencoder"
        ):  # only a rotation keeps one matrix the transpose of the other
            product = seen @ seen.T @ held @ held.T
            turn = torch.linalg.eigh(product + product.T)[1].flip(1)
            return encode @ turn, turn.T @ decode, offset
        u, size, v = torch.linalg.svd(seen.T @ held)
        root = size.clamp(min=1e-12 * float(size.max())).sqrt()
        return encode @ seen @ u / root, (v @ held.T @ decode) / root[:, None], offset

    def _explaining(self, width: int, uneven: float, draw: torch.Generator) -> Matrices:
        """Return the projection that keeps most of what is read, columns and activations randomly weighted."""
        scale = self.projection.scale
        columns = self.reads / scale[:, None]
        columns = columns * (uneven * _normal(columns.shape[1], draw)).exp()
        rows = self.stands * scale * (uneven * _normal(len(self.stands), draw)).exp()[:, None]
        size, axes = torch.linalg.eigh(columns @ columns.T)
        size = size.clamp(min=LITTLE * float(size.max())).sqrt()
        into, back = axes * size @ axes.T, axes / size @ axes.T
        kept = torch.linalg.svd(rows @ into, full_matrices=False)[2][:width].T
        if self.projection.method == "autoencoder":
            encode, decode = into @ kept, kept.T @ back
        else:
            encode = torch.linalg.qr(into @ kept)[0]
            decode = encode.T
        return scale[:, None] * encode, decode / scale, torch.zeros_like(scale)


def _root(square: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """Return the Cholesky root of what is nearly a covariance."""
    more = LITTLE * square.diagonal().mean() + 1e-30
    return torch.linalg.cholesky(square + more * torch.eye(len(square), dtype=square.dtype))


def _normal(count: int, draw: torch.Generator) -> Float[Tensor, " count"]:
    return torch.randn(count, generator=draw, dtype=torch.float64)
