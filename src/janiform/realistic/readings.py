"""What each half-layer of the exact model reads, every state of the stream once, and by how much a projection lets it misread.

Each half-layer is looked at by itself, reading what the exact ones before it wrote. All inputs and interventions of some
lessons come down to few different states, so this is taken in whole, and often. Attention is held to differences of
scores: between keys that are attended together they stay as they are; a key that is not may fall behind as far as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from janiform.realistic.lessons import Lesson
from janiform.realistic.shortfall import BEHIND, SPREAD, UNATTENDED, WITHIN, WRITTEN, Shortfall, robust

INPUTS = 40
"""How many inputs, half of them with interventions, are looked at for each variable."""
FINE = 1e6
"""States are the same where they are so to one in so many."""

See = Callable[[Tensor], Tensor]
States = Float[Tensor, "state d_model"]


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """Differences of a head's scores, of a ``key`` to the one most attended beside it."""

    queries: States
    keys: States
    W_Q: Tensor
    b_Q: Tensor
    W_K: Tensor
    b_K: Tensor
    query: Int[Tensor, " difference"]
    key: Int[Tensor, " difference"]
    top: Int[Tensor, " difference"]
    attended: Bool[Tensor, " difference"]

    def differences(self, see: See) -> Float[Tensor, " difference"]:
        q, k = see(self.queries) @ self.W_Q + self.b_Q, see(self.keys) @ self.W_K + self.b_K
        scores = q @ k.T
        return scores[self.query, self.key] - scores[self.query, self.top]

    def short(self, see: See) -> Tensor:
        right, given = self.differences(lambda x: x), self.differences(see)
        off = torch.where(self.attended, ((given - right).abs() - WITHIN) / SPREAD, (given + BEHIND + 1) / 3)
        return off.clamp(min=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """What a head moves from the keys that it attends, in distances of the values that are written."""

    keys: States
    W_OV: Float[Tensor, "d_model axis"]

    def short(self, see: See) -> Tensor:
        off = ((see(self.keys) - self.keys) @ self.W_OV).abs()
        return 2 * (off - WRITTEN / 2).clamp(min=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """What hidden units, rectifiers all, write, in distances of the values that are written."""

    states: States
    W_in: Tensor
    b_in: Tensor
    W_out: Float[Tensor, "unit axis"]

    def short(self, see: See) -> Tensor:
        right, given = (
            (x @ self.W_in + self.b_in).relu() @ self.W_out for x in (self.states, see(self.states))
        )
        return 2 * ((given - right).abs() - WRITTEN).clamp(min=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """Outputs read off the last stream."""

    shortfall: Shortfall
    states: States

    def short(self, see: See) -> Tensor:
        w = self.shortfall.weights
        right, given = (x @ w["unembed.W_U"] + w["unembed.b_U"] for x in (self.states, see(self.states)))
        parts = [self.shortfall.answered(r, right, given) for r in self.shortfall.pair.readouts]
        return torch.cat([p.flatten() for p in parts])


class Readings:
    """All that half-layers read in some lessons, and the residuals of a projection on it."""

    def __init__(self, shortfall: Shortfall, seed: int) -> None:
        self.shortfall, teacher = shortfall, shortfall.teacher
        lessons = [
            teacher.lesson(INPUTS, [seed, 4, i], site=site) for i, site in enumerate(teacher.sites)
        ] + [teacher.lesson(2 * INPUTS, [seed, 4], plain=True)]
        self.parts = list(self._parts(lessons))

    def residuals(self, theta: Float[Tensor, " parameter"], d: int) -> Float[Tensor, " residual"]:
        """Return the residuals of a projection to ``d`` dimensions."""
        encode, decode, offset = self.shortfall.projection.matrices(theta, d)
        seen = encode @ decode
        short = torch.cat([part.short(lambda x: x @ seen + offset).flatten() for part in self.parts])
        return robust(short) / len(short) ** 0.5

    def _parts(self, lessons: list[Lesson]) -> Iterator[_Scores | _Values | _Units | _Answers]:
        teacher, w = self.shortfall.teacher, self.shortfall.weights
        for name in teacher.heads:
            yield from self._heads(name.rsplit(".", 1)[0], lessons)
        for name in teacher.units:
            layer = name.rsplit(".", 2)[0]
            gap = self.shortfall.gaps[name]
            told = torch.isfinite(gap)
            if bool(told.any()):
                states = _distinct(
                    torch.cat([x.record[f"{layer}.hook_resid_mid"][x.tokens] for x in lessons])
                )[0]
                W_out = w[f"{layer}.mlp.W_out"][:, told] / gap[told]
                yield _Units(states, w[f"{layer}.mlp.W_in"], w[f"{layer}.mlp.b_in"], W_out)
        if teacher.streams:
            states = _distinct(torch.cat([x.record[teacher.streams[-1]][x.tokens] for x in lessons]))[0]
        else:
            ids = torch.cat([x.ids[x.tokens] for x in lessons])
            at = torch.cat([x.positions[x.tokens] for x in lessons])
            states = _distinct(w["embed.W_E"][ids] + w["pos_embed.W_pos"][at])[0]
        yield _Answers(self.shortfall, states)

    def _heads(self, attn: str, lessons: list[Lesson]) -> Iterator[_Scores | _Values]:
        """Yield what the heads of a layer read."""
        layer, w = attn.rsplit(".", 1)[0], self.shortfall.weights
        before = f"{layer}.hook_resid_pre"
        states, number = _distinct(torch.cat([x.record[before].flatten(0, 1) for x in lessons]))
        sizes = [x.ids.numel() for x in lessons]
        numbers = [n.view(x.ids.shape) for n, x in zip(number.split(sizes), lessons, strict=True)]
        scale = self.shortfall.teacher.model.config.d_head**-0.5
        gap = self.shortfall.gaps[f"{attn}.hook_z"]
        for h, W_O in enumerate(w[f"{attn}.W_O"]):
            told = torch.isfinite(gap) & (W_O != 0).any(0)
            if not bool(told.any()):
                continue
            found, attended = [], []
            for n, lesson in zip(numbers, lessons, strict=True):
                share = lesson.record[f"{attn}.hook_attn_scores"][:, h].log_softmax(-1)
                top = n.gather(1, share.argmax(-1))
                rows = (n[:, :, None], n[:, None, :], top[:, :, None], (share > UNATTENDED).to(n))
                asked = lesson.tokens[:, :, None] & torch.isfinite(share)
                found.append(torch.stack([x.expand(share.shape)[asked] for x in rows], 1))
                attended.append(n[:, None, :].expand(share.shape)[asked & (share > UNATTENDED)])
            rows = torch.cat(found).unique(dim=0)
            query, key, top, kept = rows[rows[:, 1] != rows[:, 2]].T
            W_Q, b_Q, W_K, b_K = (w[f"{attn}.{x}"][h] for x in ("W_Q", "b_Q", "W_K", "b_K"))
            asking, query = query.unique(return_inverse=True)
            other, pairs = torch.cat([key, top]).unique(return_inverse=True)
            key, top = pairs.chunk(2)
            yield _Scores(
                states[asking], states[other], W_Q * scale, b_Q * scale, W_K, b_K, query, key, top, kept > 0
            )
            yield _Values(
                states[torch.cat(attended).unique()], w[f"{attn}.W_V"][h] @ W_O[:, told] / gap[told]
            )


def _distinct(states: Float[Tensor, "row d_model"]) -> tuple[States, Int[Tensor, " row"]]:
    """Return the different states among some, and which each is."""
    _, number = (states * FINE).round().unique(dim=0, return_inverse=True)
    first = number.new_empty(int(number.max()) + 1 if len(number) else 0)
    first[number] = torch.arange(len(number), device=number.device)
    return states[first], number
