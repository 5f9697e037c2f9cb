"""Run a graph: logits, and on demand every variable, attention pattern and factor of a norm.

Values are computed when something asks for them and kept. A variable is projected to a head's queries, keys or values once,
before the norm's factor is applied, so that a change of what the factor depends on costs no projection.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from janiform.decompile.trained.graph import CLASS, Graph
from janiform.decompile.trained.plan import Plan
from janiform.errors import InputError
from janiform.model.precision import full_precision

Pattern = Tensor | Callable[["Run"], Tensor]
"""What a head attends to instead, [batch, query, key]: given, or made of the run as far as it is known below the head."""


def run(
    graph: Graph,
    tokens: Int[Tensor, "batch pos"],
    positions: Int[Tensor, "*batch pos"] | None = None,
    *,
    patterns: Mapping[tuple[int, int], Pattern] | None = None,
    replace: Mapping[str, Tensor] | None = None,
) -> Run:
    """Run a graph on tokens that stand at 0, 1, .. or at ``positions``.

    ``patterns`` puts attention of another making into heads (layer, head), ``replace`` other values into variables
    [batch, pos, d_model]; everything that reads them, and nothing else, changes. A norm's factor reads its variables too.

    >>> from janiform.decompile.trained import lift
    >>> from janiform.model import Config, Transformer
    >>> shape = Config(n_layers=1, d_model=8, n_heads=1, d_head=4, d_mlp=9, d_vocab=5, d_vocab_out=5, n_ctx=6)
    >>> model, tokens = Transformer(shape), torch.tensor([[0, 1, 2]])
    >>> done = run(lift(model), tokens)
    >>> torch.allclose(done.logits, model(tokens), atol=1e-5), list(done)
    (True, ['tok', 'pos', 'a0.0.tok', 'a0.0.pos', 'm0'])
    >>> swapped = run(lift(model), tokens, patterns={(0, 0): torch.eye(3)})
    >>> torch.allclose(swapped["a0.0.pos"], done["a0.0.pos"])
    False
    """
    return Run(Plan(graph), tokens, positions, patterns=patterns, replace=replace)


class Run(Mapping[str, Tensor]):
    """One batch through a graph: a mapping of the variables that bear on the output, with ``logits`` and the rest beside.

    ``memory`` may be shared by runs of one batch on several graphs over the same weights and means, as long as nothing is
    put in from outside.
    """

    def __init__(
        self,
        plan: Plan,
        tokens: Tensor,
        positions: Tensor | None = None,
        *,
        patterns: Mapping[tuple[int, int], Pattern] | None = None,
        replace: Mapping[str, Tensor] | None = None,
        memory: dict[tuple[object, ...], Tensor] | None = None,
    ) -> None:
        graph = plan.graph
        self.plan, self.graph, self.weights, self.tokens = plan, graph, graph.weights, tokens
        self.positions = torch.arange(tokens.shape[-1]) if positions is None else positions
        self.patterns, self.replaced = dict(patterns or {}), dict(replace or {})
        self.memory = {} if memory is None else memory
        if unknown := sorted(set(self.replaced) - set(graph.variables)):
            raise InputError(
                f"the graph has no variable {unknown[0]!r} to replace; it has {', '.join(graph.variables)}"
            )
        if strange := [
            at for at in self.patterns if at[0] not in graph.layers or at[1] >= self.weights.heads
        ]:
            raise InputError(f"the graph has no head {strange[0]}")
        if memory is not None and (patterns or replace):
            raise InputError("values put in from outside would be remembered as the graph's own")

    def __getitem__(self, name: str) -> Float[Tensor, "batch pos d_model"]:
        """Return a variable; one that was cut off is its mean by class of token."""
        if name in self.replaced:
            return self.replaced[name]
        if name not in self._there:
            if name not in self.graph.variables:
                raise KeyError(name)
            return self._constant([name])
        return self._remembered((self.plan.of(name),), lambda: self._variable(name))

    def __contains__(self, name: object) -> bool:
        return name in self._there

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.graph.variables if name in self._there)

    def __len__(self) -> int:
        return len(self._there)

    @cached_property
    def logits(self) -> Float[Tensor, "batch pos d_vocab_out"]:
        with full_precision(), torch.no_grad():
            scaled = self.stream("out") @ self.weights.unembed * self.scale("out")
            return scaled + self.weights.unembed_bias

    def pattern(self, layer: int, head: int) -> Float[Tensor, "batch query key"]:
        """Return how a head attends; every row sums to 1."""
        given = self.patterns.get((layer, head))
        if given is not None:
            given = given(self) if callable(given) else given
            return given.to(self.weights.tokens.dtype).expand(len(self.tokens), -1, -1)
        key = ("pattern", self.plan.of_pattern(layer, head))
        return self._remembered(key, lambda: self.softmax(self.scores(layer, head)))

    def scale(self, site: str) -> Float[Tensor, "batch pos 1"]:
        """Return the factor of the norm at a site: ``a0`` before the heads of layer 0, ``m0`` before its MLP, .., ``out``."""
        if (table := self.graph.scales.get(site)) is not None:
            return table[self.tokens].unsqueeze(-1)
        key = ("scale", self.plan.of_scale(site))
        return self._remembered(key, lambda: self.weights.scale(self.stream(site)))

    def stream(self, site: str) -> Float[Tensor, "batch pos d_model"]:
        """Return the residual stream as a site reads it: what it keeps, and the means of the rest."""
        kept = self.plan.inputs.get(site, ())
        layer = len(self.graph.layers) if site == "out" else int(site[1:])
        names = self.graph.mixed(layer) if site[0] == "m" else self.graph.attended(layer)
        stream = self._constant([v for v in names if v not in kept], layer + (site[0] == "m"))
        for name in kept:
            stream = stream + self[name]
        return stream

    def scores(self, layer: int, head: int) -> Float[Tensor, "batch query key"] | None:
        """Return a head's scores before softmax, or None where none are kept, but for terms alike for all keys."""
        pairs = self.plan.scores.get((layer, head), ())
        if not pairs:
            return None
        with full_precision(), torch.no_grad():
            scale = self.scale(f"a{layer}")
            queries, keys = self._products(layer, head, set(pairs), scale)
            by_class = self._by_class(layer, head, set(pairs), scale)
            if by_class is not None:
                queries.append(by_class)
                kinds = F.one_hot(self.graph.kinds, by_class.shape[-1]).to(scale.dtype)
                keys.append(kinds[self.tokens] * scale)
            return torch.cat(queries, -1) @ torch.cat(keys, -1).transpose(-1, -2)

    def _products(
        self, layer: int, head: int, pairs: set[tuple[str, str]], scale: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return queries and keys of which the products with a variable as key are sums; keys read alike go together."""
        names = self.graph.attended(layer)
        groups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
        for key in names:
            readers = tuple(q for q in names if (q, key) in pairs)
            if readers or (CLASS, key) in pairs:
                groups.setdefault((readers, (CLASS, key) in pairs), []).append(key)
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        for (readers, constant), read in groups.items():
            parts = [self.projected(readers, layer, head, "q") * scale] if readers else []
            if constant:
                means = self.mean(names, layer, head, "q", exclude=readers)[self.graph.kinds[self.tokens]]
                parts.append(self.weights.layers[layer].q_bias[head] + means * scale)
            queries.append(parts[0] if len(parts) == 1 else parts[0] + parts[1])
            keys.append(self.projected(read, layer, head, "k") * scale)
        return queries, keys

    def _by_class(self, layer: int, head: int, pairs: set[tuple[str, str]], scale: Tensor) -> Tensor | None:
        """Return scores [batch, query, class] of keys of which only the mean by class is kept, before the key's factor.

        A product that is cut, q x k, leaves q times the mean of k where ``q x class`` is kept. What ``class x k`` says already,
        the mean of q times the mean of k, is taken off.
        """
        names, kinds = self.graph.attended(layer), self.graph.kinds[self.tokens]
        total: Tensor | None = None
        for q in names:
            cut = [k for k in names if (q, k) not in pairs]
            told = [k for k in cut if (CLASS, k) in pairs]
            if (q, CLASS) in pairs:
                part = self.projected((q,), layer, head, "q") @ self.mean(cut, layer, head, "k").T
                part = part - (self.mean([q], layer, head, "q") @ self.mean(told, layer, head, "k").T)[kinds]
            elif (CLASS, CLASS) in pairs:
                rest = self.mean(cut, layer, head, "k", exclude=told)
                part = (self.mean([q], layer, head, "q") @ rest.T)[kinds]
            else:
                continue
            total = part if total is None else total + part
        total = None if total is None else total * scale
        if (CLASS, CLASS) in pairs:
            alone = [k for k in names if (CLASS, k) not in pairs]
            bias = self.mean(alone, layer, head, "k") @ self.weights.layers[layer].q_bias[head]
            bias = bias.expand(*self.tokens.shape, -1)
            total = bias if total is None else total + bias
        return total

    def softmax(self, scores: Tensor | None) -> Float[Tensor, "batch query key"]:
        """Return how a head attends by its scores, or evenly where there are none."""
        length = self.tokens.shape[-1]
        if scores is None:
            scores = self.weights.tokens.new_zeros(length, length).expand(len(self.tokens), -1, -1)
        if self.weights.causal:
            scores = scores + torch.full_like(scores[0], -math.inf).triu(1)
        return scores.softmax(-1)

    def _variable(self, name: str) -> Tensor:
        variable = self.graph.variables[name]
        with full_precision(), torch.no_grad():
            if variable.layer < 0:
                if name == "tok":
                    return F.embedding(self.tokens, self.weights.tokens)
                return F.embedding(self.positions, self.weights.positions).expand(*self.tokens.shape, -1)
            if variable.head < 0:
                return self._mlp(variable.layer)
            return self._aggregate(variable.layer, variable.head, variable.part)

    def _aggregate(self, layer: int, head: int, part: str) -> Tensor:
        """Return what a head makes of one variable, or of all that it keeps, with the means of those that it does not."""
        read = (part,) if part else self.plan.values[layer, head]
        carried = self.projected(read, layer, head, "v") * self.scale(f"a{layer}")
        written = self.pattern(layer, head) @ carried @ self.weights.layers[layer].o[head]
        cut = [] if part else [v for v in self.graph.attended(layer) if v not in read]
        paths = [path for path in (f"a{layer}.{head}.{v}" for v in cut) if path in self.graph.means]
        return written + self._constant(paths) if paths else written

    def _mlp(self, layer: int) -> Tensor:
        block = self.weights.layers[layer]
        hidden = self.stream(f"m{layer}") @ block.w_in * self.scale(f"m{layer}") + block.b_in
        return self.weights.act_fn(hidden) @ block.w_out + block.b_out

    def projected(self, names: Iterable[str], layer: int, head: int, letter: str) -> Tensor:
        """Return variables through a head's map, summed, before the factor of the norm."""
        parts = [self._projection(name, layer, head, letter) for name in names]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    def _projection(self, name: str, layer: int, head: int, letter: str) -> Tensor:
        matrix = getattr(self.weights.layers[layer], letter)[head]
        constant = self.graph.constants[layer] @ matrix if name == "tok" else None

        def project() -> Tensor:
            if name in self.replaced or name not in ("tok", "pos"):
                part = self[name] @ matrix
                return part if constant is None else part + constant[self.graph.kinds[self.tokens]]
            if constant is None:
                table = F.embedding(self.positions, self.weights.positions @ matrix)
                return table.expand(*self.tokens.shape, -1)
            return F.embedding(self.tokens, self.weights.tokens @ matrix + constant[self.graph.kinds])

        if name in self.replaced or name not in self._there:
            return project()
        return self._remembered((self.plan.of(name), layer, head, letter), project)

    def mean(
        self, names: Iterable[str], layer: int, head: int, letter: str, *, exclude: Iterable[str] = ()
    ) -> Float[Tensor, "class d_head"]:
        """Return the means of variables through a head's map, summed."""
        names = [v for v in names if v not in set(exclude)]
        total = torch.zeros_like(self.graph.constants[layer])
        for name in names:
            total = total + self.graph.means.get(name, 0)
        if "tok" in names:
            total = total + self.graph.constants[layer]
        return total @ getattr(self.weights.layers[layer], letter)[head]

    def _constant(self, names: Iterable[str], layer: int | None = None) -> Tensor:
        """Return the means of variables and the constants of a layer at every position, by class of token."""
        total = self.weights.tokens.new_zeros(self.graph.constants.shape[1:])
        if layer is not None:
            total = total + self.graph.constants[layer]
        for name in names:
            total = total + self.graph.means.get(name, 0)
        return F.embedding(self.graph.kinds[self.tokens], total)

    @cached_property
    def _there(self) -> frozenset[str]:
        """The variables that bear on the output."""
        return frozenset(v for names in self.plan.inputs.values() for v in names)

    def _remembered(self, key: tuple[object, ...], compute: Callable[[], Tensor]) -> Tensor:
        if key not in self.memory:
            self.memory[key] = compute()
        return self.memory[key]
