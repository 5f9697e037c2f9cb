"""Programs over words: the fitted draft is an exact program, alike for one seed, and groups are what they claim."""

from pathlib import Path

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.learn.climb import predicted
from janiform.learn.draft import Copy, Table
from janiform.learn.groups import clusters, endings, frequent_apart, neighbor_vectors, shapes
from janiform.learn.penalized import fit_penalized, labelled
from janiform.learn.words import Words, words
from janiform.tasks.examples import Data
from janiform.tasks.text import read_classes, read_ner

SMALL = Words(sizes=(4, 8), views=1, view_size=4, frequent=5, penalties=(0.1, 1.0))
TAGS = Words(
    sizes=(4,), views=0, neighbors=(-1, 1), pairs=((-1, 0),), unknown=0.5, penalties=(0.1,), both=False
)


@pytest.fixture
def classes(tmp_path: Path) -> Data:
    """Texts whose class is whether 'not' stands before 'good'."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(400):
        filler = [f"w{i}" for i in rng.integers(0, 6, 4)]
        sign = int(rng.integers(2))
        inner = ["not", "good"] if sign else ["good", "not"]
        at = int(rng.integers(0, 5))
        lines.append(" ".join([str(sign), *filler[:at], *inner, *filler[at:]]))
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(lines) + "\n")
    return read_classes(path)


@pytest.fixture
def entities(tmp_path: Path) -> Data:
    """Sentences in which a capitalized word after 'Mr' is a person, and after 'in' a place."""
    rng = np.random.default_rng(0)
    names = [f"N{chr(97 + a)}{chr(97 + b)}" for a in range(6) for b in range(6)]
    lines = []
    for _ in range(200):
        for word, tag in (("Mr", "B-PER"), ("in", "B-LOC")):
            lines += [f"{word} O", f"{names[rng.integers(len(names))]} {tag}", "said O"]
        lines.append("")
    path = tmp_path / "entities.txt"
    path.write_text("\n".join(line.replace(" ", "\t") for line in lines))
    return read_ner(path, path, path, max_len=12)


def test_word_order_is_learned(classes: Data) -> None:
    """A class that only the order of two words decides is learned through pairs of neighbors."""
    draft = words(classes, SMALL)
    assert (labelled(draft, classes.test) == classes.test.y).all()


def test_entities_are_learned_from_neighbors(entities: Data) -> None:
    draft = words(entities, TAGS)
    asked = entities.test.y >= 0
    assert (labelled(draft, entities.test) == entities.test.y)[asked].mean() > 0.99


def test_the_draft_says_what_was_fitted(classes: Data, entities: Data) -> None:
    """The labels by which drafts are chosen are those of the interpreter of drafts."""
    for data, settings in ((classes, SMALL), (entities, TAGS)):
        draft = words(data, settings)
        asked = data.test.y >= 0
        assert (predicted(draft, data.test.x) == labelled(draft, data.test))[asked].all()


def test_the_same_seed_gives_the_same_program(classes: Data) -> None:
    a, b, c = (words(classes, SMALL, seed=s) for s in (0, 0, 1))
    assert all(np.array_equal(p, q) for p, q in zip(a.weights, b.weights, strict=True))
    assert repr(a.units) == repr(b.units) != repr(c.units)


def test_neighbors_are_at_their_distance(classes: Data) -> None:
    """Each head reads the word at a fixed distance, and each pair numbers what occurs twice."""
    draft = words(classes, SMALL)
    heads = [u for u in draft.units if isinstance(u, Copy)]
    assert [np.argwhere(u.relation)[-1].tolist() for u in heads] == [[63, 61], [63, 62]]
    for table in (u for u in draft.units if isinstance(u, Table)):
        assert table.cells.max() == table.size - 1
        assert len(np.unique(table.cells)) == table.size


def test_penalties_are_chosen_on_the_validation_part(classes: Data) -> None:
    """The draft is the one that the measure likes best, whatever it measures."""
    seen: list[float] = []
    start = words(classes, SMALL)

    def measure(x: np.ndarray, y: np.ndarray, said: np.ndarray) -> float:
        seen.append(float(len(seen) == 1))
        return seen[-1]

    middle = fit_penalized(start, classes.train, classes.validation, measure, penalties=(0.1, 10.0, 1000.0))
    assert seen == [0.0, 1.0, 0.0]
    heavy = fit_penalized(
        start, classes.train, classes.validation, lambda x, y, said: 0.0, penalties=(1000.0,)
    )
    assert sum(np.abs(w).sum() for w in middle.weights) > sum(np.abs(w).sum() for w in heavy.weights)


def test_clusters_are_of_one_direction() -> None:
    """Vectors about three directions come apart into three groups, whatever their lengths."""
    rng = np.random.default_rng(0)
    of = rng.integers(0, 3, 300)
    vectors = (np.eye(3)[of] + rng.normal(0, 0.05, (300, 3))) * rng.uniform(1, 9, (300, 1))
    found = clusters(vectors, 12, rng)
    assert all(len(set(of[found == g])) == 1 for g in np.unique(found))


def test_words_used_alike_have_near_vectors() -> None:
    """Codes 1 and 2 stand between the same neighbors, 5 between others."""
    x = np.array([[0, 1, 3], [0, 2, 3], [4, 5, 6]] * 5)
    v = neighbor_vectors(x, 7, np.random.default_rng(0))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    assert v[1] @ v[2] > 0.99 > v[1] @ v[5]


def test_spelling_groups() -> None:
    looks = shapes(["U.S.", "U.N.", "Paris", "London", "eu", "@", "@-@", "<unk>"])
    assert looks[0] == looks[1] != looks[2] == looks[3] != looks[4]
    assert looks[7] == 0 and len(set(looks.tolist())) == 6
    assert endings(["nation", "Station", "on", "x1on"], 2, 5).tolist() == [1, 1, 0, 0]
    apart = frequent_apart(np.array([1, 9, 1, 8]), np.array([3, 3, 3, 3]), 2)
    assert apart[0] == apart[2] and len(set(apart.tolist())) == 3


def test_faulty_settings_say_what_would_work(classes: Data) -> None:
    with pytest.raises(InputError, match=r"\[1\]; add these distances"):
        Words(pairs=((0, 1),))
    with pytest.raises(InputError, match="3 vectors"):
        words(classes, SMALL, vectors=np.zeros((3, 2)))
