"""The parts of the neural decompiler: a grammar of legal programs, views that no gauge touches, outputs that fit, a search that tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.dataset import Plan, make
from janiform.decompile.given import subject
from janiform.decompile.known import answers, variables
from janiform.decompile.neural import way
from janiform.decompile.neural.examples import examples
from janiform.decompile.neural.finish import outputs
from janiform.decompile.neural.grammar import Grammar, read_statement, statements, write_statement
from janiform.decompile.neural.network import Network, Size, load_network, save_network
from janiform.decompile.neural.search import Search
from janiform.decompile.neural.training import Recipe, train
from janiform.decompile.neural.views import attention_features, layer_features, value_features, view
from janiform.decompile.neural.way import NUMBERED, named, neural, shipped
from janiform.errors import FileError, InputError
from janiform.ir.canonical import canonical
from janiform.ir.nodes import Sequence
from janiform.ir.sample import sample_program
from janiform.pair import Pair
from janiform.text.json import dumps, loads

TEXTS = (
    "y = selector_width(select(tokens, tokens, ==));",
    "y = aggregate(select(indices, indices, key == query + 1), tokens);",
    'y = aggregate(best(select(tokens, tokens, <), "rightmost"), indices, 1);',
    "n = selector_width(select(tokens, indices, key == 2)); y = aggregate(select(n, tokens, >=), n, 0);",
    "y = aggregate(select(tokens, indices, key <= 1), {0: 2, 3: 1}[tokens else 0], 0.5);",
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small models are fastest in one thread."""
    torch.set_num_threads(1)


def written(program: jf.Program) -> tuple[list[list[tuple[object, ...]]], list[Sequence]]:
    """The statements of a program as tokens, and as nodes."""
    nodes = statements(*program.outputs.values())
    known = {n: i for i, n in enumerate(nodes)}
    return [write_statement(n, {m: i for m, i in known.items() if i < known[n]}) for n in nodes], nodes


def grammar() -> Grammar:
    """The grammar of a few programs."""
    return Grammar.of(tokens for text in TEXTS for tokens in written(jf.parse(text))[0])


@pytest.mark.parametrize("text", TEXTS)
def test_statements_are_read_as_they_were_written(text: str) -> None:
    """Reading what was written gives the same nodes."""
    tokens, nodes = written(jf.parse(text))
    known: list[Sequence] = []
    for one, n in zip(tokens, nodes):
        known.append(read_statement(one, known))
        assert known[-1] is n


def test_random_canonical_programs_are_written() -> None:
    """What the sampler draws, in canonical form, is written and read back."""
    for seed in range(12):
        p = canonical(sample_program(np.random.default_rng([seed, 9]), NUMBERED, 3), NUMBERED)
        tokens, nodes = written(p)
        for i, one in enumerate(tokens):
            assert read_statement(one, nodes[:i]) is nodes[i]


def test_every_complete_sequence_is_a_legal_program() -> None:
    """Whatever is drawn token by token from what may come next is a node that runs."""
    g, rng = grammar(), np.random.default_rng(0)
    first = jf.parse(TEXTS[0]).outputs["y"]
    done = 0
    for _ in range(200):
        open_: tuple[str, ...] = ("statement",)
        tokens: list[int] = []
        while open_ and len(tokens) < 60:
            legal = np.flatnonzero(g.mask(open_[0], 1))
            tokens.append(int(rng.choice(legal)))
            open_ = g.after(open_, tokens[-1])
        if not open_:
            done += 1
            n = read_statement([g.tokens[t] for t in tokens], [first])
            assert loads(dumps(jf.Program({"y": n}))) == jf.Program({"y": n})
    assert done > 20
    assert Grammar.read(g.data()).tokens == g.tokens


def features(pair: Pair) -> list[tuple[bytes, np.ndarray]]:
    """What the network is shown of every head, in an order of what is shown."""
    seen = view(subject(pair))
    rows = [
        np.concatenate([attention_features(h), value_features(h), layer_features(h, seen.n_layers)])
        for h in seen.heads
    ]
    return sorted((np.round(r[::7], 1).tobytes(), r) for r in rows)  # type: ignore[type-var]


@pytest.mark.parametrize("residual", ["orthogonal", "invertible"])
def test_no_gauge_changes_what_is_shown(residual: str) -> None:
    """Another basis of the stream, other gauges and another order of heads and units leave the features as they are."""
    p = jf.parse(
        "n = selector_width(select(tokens, tokens, ==)); x = aggregate(select(indices, indices, <), tokens, 0); y = x + n;"
    )
    pair = p.compile(signature=NUMBERED)
    plain = features(pair)
    for seed in range(3):
        turned = features(pair.disguise(seed, residual=residual))  # type: ignore[arg-type]
        assert len(turned) == len(plain)
        rest = list(plain)
        for _, r in turned:
            near = min(range(len(rest)), key=lambda i: float(np.abs(rest[i][1] - r).max()))
            assert float(np.abs(rest.pop(near)[1] - r).max()) < 2e-2


def test_outputs_fit_what_a_model_says() -> None:
    """Given the right statements, some output has the canonical form of the program."""
    p = canonical(
        jf.parse("n = selector_width(select(tokens, tokens, ==)); y = 3 if n > 2 else indices;"), NUMBERED
    )
    given = subject(p.compile(signature=NUMBERED))
    found = list(outputs(variables(statements(*p.outputs.values()), NUMBERED), *answers(given, NUMBERED)[:2]))
    assert p in [named(n, given) for n in found]
    assert list(outputs(variables([], NUMBERED), *answers(given, NUMBERED)[:2])) == []


def test_examples_show_a_head_and_its_statement() -> None:
    """A statement that refers to another one comes after it, with what that one holds."""
    (found,) = examples([jf.parse(TEXTS[3])], NUMBERED)
    assert {e.tokens[0] for e in found} == {("count",), ("mean",)}
    assert all(len(e.codes) == any(t[0] == "ref" for t in e.tokens) for e in found)


def test_a_search_keeps_only_what_stands() -> None:
    """An untrained network proposes at random; what is found is still what heads do, and the program agrees or is refused."""
    torch.manual_seed(0)
    network = Network(grammar(), Size(width=32, hidden=64)).eval()
    p = jf.parse(TEXTS[1])
    given = subject(p.compile(signature=NUMBERED).disguise(3))
    search = Search(network, view(given))
    heads = search.model.heads
    for n in search.statements():
        assert max(search.judge(n, h) for h in heads) == (1.0, True)
    try:
        program = next(iter(neural(given, network)))
        assert jf.equivalent(program, p, NUMBERED, limit=5_000)
    except CannotDecompile as e:
        assert "do not decide the output" in str(e)


def test_what_was_not_learned_is_refused() -> None:
    """Another signature than the network has learned is an error that says which."""
    p = jf.parse("y = aggregate(select(indices, indices, key == query + 1), tokens);")
    with pytest.raises(CannotDecompile, match="has learned models of 5 tokens"):
        next(iter(neural(subject(p.compile("abc", 4)), Network(grammar()))))


@pytest.mark.slow
def test_a_training_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """Stopped and gone on with, it comes to the same network; other settings in the same folder are refused."""
    data = make(tmp_path / "d", 40, Plan(shard=40, largest=4), executor="serial", progress=False)
    whole = Recipe(steps=6, batch=8, every=3, width=32, least=1)
    train(data, tmp_path / "a", whole)
    out = tmp_path / "b"

    class Stop(Exception):
        pass

    def stop(step: int, of: int) -> None:
        if of == 6 and step == 4:
            raise Stop

    with pytest.raises(Stop):
        train(data, out, whole, tell=stop)
    assert train(data, out, whole).steps == 6
    one, other = (load_network(tmp_path / x / "network.safetensors") for x in "ab")
    for a, b in zip(one.parameters(), other.parameters()):
        assert torch.allclose(a, b, atol=1e-6)
    with pytest.raises(InputError, match="begun with"):
        train(data, out, Recipe(steps=7))


def test_a_network_is_written_and_read(tmp_path: Path) -> None:
    """What is read gives the same scores; other files are refused."""
    network = Network(grammar(), Size(width=32, hidden=64)).eval()
    save_network(network, tmp_path / "n.safetensors")
    again = load_network(tmp_path / "n.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters()))
    (tmp_path / "bad").write_bytes(b"nothing")
    with pytest.raises(FileError, match="no network"):
        load_network(tmp_path / "bad")


def test_without_the_exact_way_the_neural_one_is_asked() -> None:
    """The door tells which way it went, and what it returns was compared on every input, in the names of the model."""
    p = jf.parse("y = aggregate(select(indices, indices, key == query + 1), tokens);")
    found = jf.decompile(p.compile("abcde", 5).disguise(2), ways=["neural", "observed"])
    assert found.method == "neural" and found.evidence.exact and found.evidence.checked == 3905
    assert found.program == canonical(p, jf.Signature("abcde", 5))
    with pytest.raises(CannotDecompile, match="has learned models of 5 tokens"):
        jf.decompile(p.compile("abc", 4), ways=["neural"])


def test_the_shipped_network_is_small_and_read() -> None:
    """It has at most 3 million parameters and 20 MB, and a card beside it."""
    assert 500_000 < shipped().parameters_count < 3_000_000
    file = Path(way.__file__).with_name("network.safetensors")
    assert file.stat().st_size < 20_000_000 and file.with_suffix(".md").read_text().startswith(
        "# The network"
    )
