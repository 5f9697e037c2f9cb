"""A relaxed program: a draft whose every choice is a weight, many restarts at once, trained by gradients.

Variables are distributions over ``width`` codes (one-hot when the choices are hard), so a layer is a few batched products
(Friedman et al. 2023, section 3, with sets for relations where the paper has one key a query, masks, and counts as codes).
With its weights argmaxed, a restart computes what its draft does, on every input; that is the law that tests check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from janiform.errors import InputError
from janiform.learn.anneal import Frozen, Heat
from janiform.learn.draft import Copy, Draft, Frame, Number, Recode, Steps, Table, Tally, Unit


@dataclass(frozen=True, slots=True)
class Shape:
    """What a relaxed program has in each layer, and how it reads tokens.

    ``sums`` heads add up one of ``numbers`` numeric embeddings of the tokens (or an earlier sum). With ``embeddings``,
    heads and tables read that many learned categories of ``size`` codes instead of the token itself. A query is related
    to ``"sets"`` of key codes, or to exactly ``"one"``, as in the paper. ``numerical`` MLPs read two numbers (counts,
    sums, numeric embeddings) and write a category, in ``edges`` steps of a weighted sum.
    """

    layers: int = 2
    copies: int = 2
    tallies: int = 2
    tables: int = 2
    numerical: int = 0
    edges: int = 6
    sums: int = 0
    numbers: int = 0
    embeddings: int = 0
    size: int = 32
    relations: str = "sets"

    def __post_init__(self) -> None:
        if self.relations not in ("sets", "one"):
            raise InputError(f"relations are 'sets' or 'one', not {self.relations!r}")
        if self.layers < 1:
            raise InputError(f"a relaxed program has at least 1 layer, not {self.layers}")
        if self.sums and not self.numbers:
            raise InputError(f"{self.sums} heads that sum need numbers to sum; set numbers to 1 or more")
        if self.numerical and (not (self.numbers or self.tallies) or self.edges < 1):
            raise InputError(
                f"{self.numerical} numerical MLPs need numbers or tallies to read, and at least 1 edge; "
                f"there are {self.numbers}, {self.tallies} and {self.edges}"
            )


class Template:
    """Restarts of one shape as one batched model; every weight has the restarts as its first axis."""

    def __init__(
        self,
        frame: Frame,
        shape: Shape,
        restarts: int,
        generator: torch.Generator,
        vectors: Float[np.ndarray, "token dim"] | None = None,
    ) -> None:
        self.frame, self.shape = frame, shape
        self.width = k = max(shape.size if shape.embeddings else frame.tokens, frame.length + 1)
        self.heads = shape.copies + shape.tallies + shape.sums
        self._grids()
        self.weights: dict[str, Tensor] = {}

        def new(name: str, *sizes: int, spread: float = 1.0, start: Tensor | float = 0.0) -> None:
            drawn = torch.randn(restarts, *sizes, generator=generator)
            self.weights[name] = (spread * drawn + start).requires_grad_()

        if shape.embeddings:
            new("words", shape.embeddings, frame.tokens, shape.size)
            if vectors is not None:
                rows = torch.from_numpy(np.asarray(vectors, np.float32))
                rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-9)
                ways = torch.randn(restarts, shape.embeddings, rows.shape[1], shape.size, generator=generator)
                self.weights["words"] = (rows @ ways).requires_grad_()
        if shape.numbers:
            new("numbers", shape.numbers, frame.tokens, spread=0.3)
        categories, numbers, counts = shape.embeddings + 1 if shape.embeddings else 2, shape.numbers, 0
        first = torch.tensor([1.0] + [0.0] * (len(self.masks) - 1))
        for layer in range(shape.layers):
            C = shape.copies
            if self.heads:
                new(f"gates{layer}", 2 * self.heads + C, categories)
                new(
                    f"relation{layer}",
                    self.heads,
                    k,
                    k,
                    spread=0.5,
                    start=self._families(restarts, generator),
                )
                new(f"offset{layer}", self.heads, 2 * k - 1, spread=0.5)
                new(f"key{layer}", self.heads, 1, k, spread=0.5)
                new(f"query{layer}", self.heads, k, 1, spread=0.5)
                new(f"mask{layer}", self.heads, len(self.masks), start=first)
            if C:
                new(f"default{layer}", C, k)
            if shape.sums:
                new(f"amount{layer}", shape.sums, numbers)
            categories, numbers = categories + C + shape.tallies, numbers + shape.sums
            counts += shape.tallies
            if T := shape.tables:
                new(f"reads{layer}", 2 * T, categories)
                new(f"cells{layer}", T, k, k, k, spread=0.7)
                new(f"apart{layer}", T, 2 * k - 1, k, spread=0.7)
                new(f"total{layer}", T, 2 * k - 1, k, spread=0.7)
                new(f"left{layer}", T, k, 1, k, spread=0.5)
                new(f"right{layer}", T, 1, k, k, spread=0.5)
                categories += T
            if M := shape.numerical:
                new(f"compares{layer}", 2 * M, numbers + counts)
                new(f"slopes{layer}", M, 2)
                ladder = torch.linspace(-frame.length / 2, frame.length / 2, shape.edges + 2)[1:-1]
                new(f"edges{layer}", M, shape.edges, spread=0.5, start=ladder)
                new(f"steps{layer}", M, shape.edges + 1, k, spread=0.7)
                categories += M
        self.categories = categories
        new("output", categories * k, frame.labels, spread=0.1)
        if numbers:
            new("slope", numbers, frame.labels, spread=0.1)
        new("bias", frame.labels, spread=0.0)

    @property
    def restarts(self) -> int:
        return len(self.weights["bias"])

    def _grids(self) -> None:
        """Work out what only sizes decide: masks, the order of nearness, differences and sums of codes."""
        N, k = self.frame.length, self.width
        at, codes = torch.arange(N), torch.arange(k)
        apart = at[None, :] - at[:, None]
        # "others" is left out: a head that may see all and skips itself is found by the discrete search.
        self.masks = tuple(m for m in self.frame.masks() if m != "others")
        self.seen = torch.stack([torch.from_numpy(self.frame.pairs(m)) for m in self.masks]).float()
        order = (2 * apart.abs() + (apart > 0)).argsort(1)
        self.nearest = (order + N * at[:, None]).flatten()
        self.back = self.nearest.argsort()
        self.difference = codes[None, :] - codes[:, None] + k - 1
        self.sum = codes[None, :] + codes[:, None]

    def _families(self, restarts: int, generator: torch.Generator) -> Tensor:
        """Draw what each relation starts from: a comparison that prints shortly, or nothing in particular."""
        d = self.difference - self.width + 1
        family = torch.stack([d == 0, d < 0, d > 0, d <= 0, d >= 0, d == -1, d == 1]).float() * 3 - 2
        drawn = torch.randint(0, len(family) + 3, (restarts, self.heads), generator=generator)
        blank = torch.randn(restarts, self.heads, self.width, self.width, generator=generator) / 2 - 1
        return torch.where(
            (drawn < len(family))[..., None, None], family[drawn.clamp(max=len(family) - 1)], blank
        )

    def relation(self, layer: int) -> Float[Tensor, "restart head query key"]:
        """The weights of each relation: free ones, plus ones shared by codes equally far apart, by key and by query."""
        w = self.weights
        shared = w[f"offset{layer}"][..., self.difference] + w[f"key{layer}"] + w[f"query{layer}"]
        return w[f"relation{layer}"] + shared

    def cells(self, layer: int) -> Float[Tensor, "restart table left right code"]:
        """The weights of each table's cells: free ones, plus ones shared by equal differences, sums, lefts and rights."""
        w = self.weights
        shared = w[f"apart{layer}"][:, :, self.difference] + w[f"total{layer}"][:, :, self.sum]
        return w[f"cells{layer}"] + shared + w[f"left{layer}"] + w[f"right{layer}"]

    def logits(
        self, x: Int[Tensor, "input pos"], heats: Sequence[Heat | Frozen]
    ) -> Float[Tensor, "restart input pos label"]:
        """Score the labels; ``heats`` say how soft the choices of each layer are. A pooled output has one position."""
        S, N, k, shape, w = self.restarts, self.frame.length, self.width, self.shape, self.weights
        B, heads, C = len(x), self.heads, shape.copies
        valid = (x >= 0).float()
        blocks, possible, amounts = self._inputs(x, heats[0])
        counts = amounts[:, :0]
        for layer, h in enumerate(heats):
            if heads:
                gates = h.one(w[f"gates{layer}"])
                read = torch.bmm(gates, torch.cat(blocks, 1))
                choose = h.one_key if shape.relations == "one" else h.some
                asks = torch.matmul(read[:, :heads].reshape(S, heads, B * N, k), choose(self.relation(layer)))
                keys = read[:, heads : 2 * heads].reshape(S * heads * B, N, k)
                related = torch.bmm(asks.reshape(S * heads * B, N, k), keys.transpose(1, 2))
                seen = (h.one(w[f"mask{layer}"]) @ self.seen.flatten(1)).reshape(S, heads, 1, N, N)
                related = related.reshape(S, heads, B, N, N) * (seen * valid[:, None, :])
                new, fits = [], []
                if C:
                    chosen, none = self._closest(related[:, :C])
                    fit = torch.bmm(gates[:, 2 * heads :], torch.cat(possible, 1))
                    default = h.one(w[f"default{layer}"] + fit.clamp(min=1e-9).log())
                    copied = torch.matmul(chosen, read[:, 2 * heads :].reshape(S, C, B, N, k))
                    new.append((copied + none[..., None] * default[:, :, None, None]).reshape(S, C, -1))
                    fits.append(fit)
                if shape.tallies:
                    count = related[:, C : C + shape.tallies].sum(-1)
                    counts = torch.cat([counts, count], 1)
                    hats = torch.relu(1 - (count[..., None] - torch.arange(k)).abs())
                    new.append(hats.reshape(S, shape.tallies, -1))
                    fits.append((torch.arange(k) <= N).float().expand(S, shape.tallies, k))
                if shape.sums:
                    what = torch.bmm(h.one(w[f"amount{layer}"]), amounts.flatten(2)).reshape(S, -1, B, N, 1)
                    total = torch.matmul(related[:, C + shape.tallies :], what).squeeze(-1)
                    amounts = torch.cat([amounts, total], 1)
                blocks, possible = [*blocks, *new], [*possible, *fits]
            if T := shape.tables:
                read = torch.bmm(h.one(w[f"reads{layer}"]), torch.cat(blocks, 1)).reshape(S, 2, T, B * N, k)
                pair = (read[:, 0, ..., None] * read[:, 1, ..., None, :]).reshape(S * T, B * N, k * k)
                cells = h.one(self.cells(layer)).reshape(S * T, k * k, k)
                blocks = [*blocks, torch.bmm(pair, cells).reshape(S, T, -1)]
                possible = [*possible, torch.ones(S, T, k)]
            if M := shape.numerical:
                steps = self._steps(layer, torch.cat([amounts, counts], 1).flatten(2), h)
                blocks = [*blocks, torch.matmul(steps, h.one(w[f"steps{layer}"])).reshape(S, M, -1)]
                possible = [*possible, torch.ones(S, M, k)]
        features = torch.cat(blocks, 1).reshape(S, self.categories, B * N, k).transpose(1, 2).flatten(2)
        scores = torch.bmm(features, w["output"]) + w["bias"][:, None]
        if amounts.shape[1]:
            scores = scores + torch.bmm(amounts.flatten(2).transpose(1, 2), w["slope"])
        scores = scores.reshape(S, B, N, -1)
        if not self.frame.pooled:
            return scores
        mean = (scores * valid[:, :, None]).sum(2) / valid.sum(1).clamp(min=1)[:, None]
        return mean[:, :, None]

    def _inputs(self, x: Tensor, h: Heat | Frozen) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """The variables before the first layer, the codes that each can have, and the numbers."""
        S, N, k, B = self.restarts, self.frame.length, self.width, len(x)
        tokens, here = x.clamp(min=0), (x >= 0).float()
        hot = torch.nn.functional.one_hot
        places = hot(torch.arange(N), k).float().expand(1, 1, B, N, k).reshape(1, 1, -1).expand(S, 1, -1)
        if E := self.shape.embeddings:
            categories = h.one(self.weights["words"])[:, :, tokens] * here[..., None]
            padded = torch.nn.functional.pad(categories, (0, k - self.shape.size)).reshape(S, E, -1)
            blocks, sizes = [places, padded], [N] + [self.shape.size] * E
        else:
            letters = (hot(tokens, k).float() * here[..., None]).reshape(1, 1, -1).expand(S, 1, -1)
            blocks, sizes = [letters, places], [self.frame.tokens, N]
        possible = (torch.arange(k) < torch.tensor(sizes)[:, None]).float().expand(S, -1, k)
        numbers = self.weights.get("numbers")
        amounts = torch.zeros(S, 0, B, N) if numbers is None else numbers[:, :, tokens]
        return blocks, [possible], amounts

    def _steps(
        self, layer: int, numbers: Float[Tensor, "restart number place"], h: Heat | Frozen
    ) -> Float[Tensor, "restart mlp place step"]:
        """The chance of each step of the numerical MLPs: between two edges that the weighted sum has and has not reached."""
        w, M = self.weights, self.shape.numerical
        x = torch.bmm(h.one(w[f"compares{layer}"]), numbers).unflatten(1, (2, M))
        total = (w[f"slopes{layer}"].transpose(1, 2)[..., None] * x).sum(1)
        edges = w[f"edges{layer}"].sort(-1).values
        reached = h.above(total[..., None] - edges[:, :, None])
        pad = torch.nn.functional.pad
        return pad(reached, (1, 0), value=1.0) - pad(reached, (0, 1))

    def _closest(self, related: Tensor) -> tuple[Tensor, Tensor]:
        """The chance of each key to be the closest related one, and that none is: sticks broken in order of nearness."""
        N = self.frame.length
        stop = related.flatten(3).index_select(3, self.nearest).unflatten(3, (N, N))
        if not torch.is_grad_enabled():
            past = (1 - stop).cumprod(-1)
            first = stop * torch.cat([torch.ones_like(past[..., :1]), past[..., :-1]], -1)
            return first.flatten(3).index_select(3, self.back).unflatten(3, (N, N)), past[..., -1]
        stop = stop.clamp(0, 1 - 1e-6)
        go = torch.log1p(-stop)
        past = go.cumsum(-1)
        first = stop * torch.exp(past - go)
        return first.flatten(3).index_select(3, self.back).unflatten(3, (N, N)), torch.exp(past[..., -1])

    def frozen(self, x: Int[Tensor, "input pos"]) -> Float[Tensor, "restart input pos label"]:
        """Score the labels with every choice hard."""
        with torch.no_grad():
            return self.logits(x, [Frozen()] * self.shape.layers)

    def keep(self, chosen: Int[Tensor, " kept"]) -> None:
        """Go on with some of the restarts."""
        for name, w in self.weights.items():
            self.weights[name] = w.detach()[chosen].clone().requires_grad_()

    def draft(self, restart: int) -> Draft:
        """The program of one restart, its choices made."""
        shape, frame, k = self.shape, self.frame, self.width
        w = {name: v[restart].detach() for name, v in self.weights.items()}
        units: list[Unit] = []
        sizes = [frame.tokens, frame.length]
        # Which variable of the draft each of ours is.
        category: list[int] = [1] if shape.embeddings else [0, 1]
        number: list[int] = []
        count: list[int] = []

        def add(unit: Unit, size: int, among: list[int]) -> None:
            units.append(unit)
            sizes.append(size)
            among.append(len(sizes) - 1)

        for logits in w.get("words", ()):
            add(Recode(0, logits.argmax(-1).numpy(), shape.size), shape.size, category)
        for row in w.get("numbers", ()):
            add(Number(0, row.double().numpy()), 0, number)
        for layer in range(shape.layers):
            new: list[tuple[Unit, int, list[int]]] = []
            relations = Frozen().one(self.relation(layer)[restart]) if shape.relations == "one" else None
            for a in range(self.heads):
                gates = [category[i] for i in w[f"gates{layer}"].argmax(-1).tolist()]
                query, key = gates[a], gates[self.heads + a]
                rows = relations[a] if relations is not None else self.relation(layer)[restart, a].detach()
                relation = (rows > 0).numpy()[: sizes[query], : sizes[key]].copy()
                mask = self.masks[int(w[f"mask{layer}"][a].argmax())]
                if a < shape.copies:
                    value = gates[2 * self.heads + a]
                    default = int(w[f"default{layer}"][a, : sizes[value]].argmax())
                    new.append((Copy(key, query, value, relation, mask, default), sizes[value], category))
                elif a < shape.copies + shape.tallies:
                    new.append((Tally(key, query, relation, mask), frame.length + 1, category))
                else:
                    what = number[int(w[f"amount{layer}"][a - shape.copies - shape.tallies].argmax())]
                    new.append((Tally(key, query, relation, mask, what), 0, number))
            for unit in new:
                add(*unit)
                if isinstance(unit[0], Tally) and unit[2] is category:
                    count.append(len(sizes) - 1)
            new = []
            for t in range(shape.tables):
                reads = [category[i] for i in w[f"reads{layer}"].argmax(-1).tolist()]
                left, right = reads[t], reads[shape.tables + t]
                cells = self.cells(layer)[restart, t].detach().argmax(-1).numpy()
                new.append((Table(left, right, cells[: sizes[left], : sizes[right]].copy(), k), k, category))
            for m in range(shape.numerical):
                reads = [(number + count)[i] for i in w[f"compares{layer}"].argmax(-1).tolist()]
                a, b = w[f"slopes{layer}"][m].tolist()
                edges = tuple(w[f"edges{layer}"][m].sort().values.tolist())
                cells = w[f"steps{layer}"][m].argmax(-1).numpy()
                steps = Steps(reads[m], reads[shape.numerical + m], (a, b), edges, cells, k)
                new.append((steps, k, category))
            for unit in new:
                add(*unit)
        weights = [np.zeros((max(size, 1), frame.labels)) for size in sizes]
        for v, block in zip(category, w["output"].reshape(-1, k, frame.labels), strict=True):
            weights[v] = block[: sizes[v]].double().numpy()
        for v, row in zip(number, w.get("slope", ()), strict=True):
            weights[v] = row[None].double().numpy()
        return Draft(frame, tuple(units), tuple(weights), w["bias"].double().numpy())
