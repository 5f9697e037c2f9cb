"""The observational way: models that no table describes, by what happens when what heads carry is exchanged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import janiform as jf
from janiform.cli import main
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.given import subject
from janiform.decompile.observed.located import located
from janiform.decompile.observed.responses import Part
from janiform.decompile.observed.watch import watched
from janiform.decompile.observed.way import LONGEST, observed
from janiform.ir.canonical import canonical_hash
from janiform.model import Transformer
from janiform.realistic.retrain import Retraining

TEXTS = {
    "copy": "x = aggregate(select(indices, indices, key == query - 1), tokens);",
    "count": "x = selector_width(select(tokens, tokens, ==)) > 1;",
    "mean": "x = aggregate(select(indices, indices, key <= query), indicator(tokens == 1));",
    "best": 'x = aggregate(best(full_s, "largest", tokens), tokens) + indices;',
    "two layers": "n = selector_width(select(tokens, tokens, ==)); x = aggregate(select(n, n, <), indices, 0);",
    "no head": "x = tokens * 2 + indices;",
}


@pytest.fixture(scope="module")
def trained() -> jf.Pair:
    torch.set_num_threads(1)
    p = jf.parse("x = aggregate(select(indices, indices, key == query - 1), tokens);")
    shape = Retraining(d_model=16, heads=2, d_mlp=8, steps=600, every=25, batch=24, stock=6, rate=1e-2)
    return p.compile(range(2), 3).retrain(shape)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_finds_programs_by_exchange(text: str) -> None:
    pair = jf.parse(text).compile(range(3), 3).disguise(seed=1)
    found = next(observed(subject(pair)))
    assert canonical_hash(found, pair.signature) == canonical_hash(pair.program, pair.signature)


def test_decompiles_a_model_trained_to_a_program(trained: jf.Pair) -> None:
    found = jf.decompile(trained)
    assert found.method == "observed"
    assert found.evidence.exhaustive and found.evidence.agreed >= 0.99 * found.evidence.checked
    assert canonical_hash(found.program, trained.signature) == canonical_hash(
        trained.program, trained.signature
    )
    assert found.evidence.interchange is not None and found.evidence.interchange >= 0.97


def test_the_command_says_what_exchange_shows(
    trained: jf.Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.save(tmp_path / "trained.safetensors")
    assert main(["decompile", str(tmp_path / "trained.safetensors"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["method"], told["exact"], told["checked"], told["exhaustive"]) == (
        "observed",
        True,
        14,
        True,
    )
    assert main(["decompile", str(tmp_path / "trained.safetensors")]) == 0
    assert "interchange" in capsys.readouterr().out


def test_another_program_is_not_in_the_model(trained: jf.Pair) -> None:
    """Interchange tells mechanisms apart: a statement that no part holds disagrees where it is exchanged."""
    seen, name = watched(subject(trained)), next(iter(trained.program.outputs))
    other = jf.parse(f"{name} = aggregate(select(indices, indices, key == query - 1), indices);")
    (wrong,) = located(seen, other)
    (right,) = located(seen, trained.program)
    assert wrong.agreed < 0.8 < 0.97 <= right.agreed


def test_says_what_matters(trained: jf.Pair) -> None:
    seen = watched(subject(trained))
    carriers = {(p.layer, h) for p in trained.places for h in p.heads}
    assert {(p.layer, h) for p, _ in seen.mattering for h in p.heads} == carriers


def test_exchange_with_itself_changes_nothing(trained: jf.Pair) -> None:
    seen = watched(subject(trained))
    for rows in seen.groups():
        own = seen.number[rows, : seen.lengths[rows[0]]]
        for units in (False, True):
            after = seen.answers(seen.ids(rows), seen.exchanged(Part(0, (0,), units), own))
            assert (after == seen.plain[own]).all()


def test_refuses_what_it_cannot_watch_or_explain() -> None:
    """Failures say what was seen, and have a number where there is one."""
    long = jf.parse("x = selector_width(select(tokens, tokens, ==));").compile("ab", LONGEST + 1)
    with pytest.raises(CannotDecompile, match="up to length"):
        next(observed(subject(long)))
    pair = jf.parse("x = selector_width(select(tokens, tokens, ==));").compile("ab", 4)
    drawn = Transformer(replace(pair.model.config, act_fn="gelu"), seed=3)
    noise = Transformer.from_weights(drawn.config, {n: 12 * w for n, w in drawn.weights().items()})
    with pytest.raises(CannotDecompile, match="residual error") as e:
        jf.decompile(replace(pair, model=noise))
    assert e.value.residual is not None and 0 < e.value.residual <= 1
