"""Rows are a pure function of task, seed, split and number; no row of training is one of validation."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from janiform.errors import InputError
from janiform.tasks.procedural import Mixture, Transduction, read, rows
from janiform.tasks.procedural.brackets import interleave_by_column, nest_by_column
from janiform.tasks.procedural.draws import below, draws, row_keys, stream, words
from janiform.tasks.procedural.loops import compiled
from janiform.tasks.procedural.stack import by_column

SMALL = [
    "identity(symbols=9, longest=6)",
    "reverse(longest=7)",
    "sort(symbols=30, longest=9, shortest=2)",
    "set(longest=9, shortest=3)",
    "union(longest=8)",
    "delete(symbols=5, longest=8)",
    "stack(symbols=12, longest=11, shortest=4)",
    "ww(symbols=4, length=10)",
    "dyck(kinds=3, length=12)",
    "shuffle_dyck(kinds=3, length=13, deepest=4)",
    "eca(rule=30, cells=9, states=3)",
    "haystack(pairs=4, symbols=20)",
    "addition(digits=3)",
    "reversed_addition(digits=3)",
    "multiplication(digits=2)",
    "shuffled(set(longest=6))",
    "ngram(reverse(symbols=9, longest=5), n=3, sample=5000)",
    "3*set(longest=9) + union(longest=7)",
    "apart(dyck(kinds=2, length=8) + 0.5*eca(cells=5, states=2))",
]


def digest(task, stop: int) -> str:
    some = rows(task, 0, stop)
    parts = [some.tokens.astype("<u2"), some.begin.astype("<i4"), some.end.astype("<i4")]
    return hashlib.blake2b(b"".join(p.tobytes() for p in parts), digest_size=8).hexdigest()


@given(st.sampled_from(SMALL), st.integers(0, 2**40), st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_a_row_is_the_same_in_any_batch(text, first, start, length, validation):
    """Whatever is made beside it, a row depends on its number alone."""
    task, split = read(text), "validation" if validation else "train"
    whole = rows(task, first, first + 120, seed=3, split=split)
    part = rows(task, first + start, first + start + length, seed=3, split=split)
    for name in ("tokens", "begin", "end"):
        assert (getattr(whole, name)[start : start + length] == getattr(part, name)).all()


@pytest.mark.parametrize("text", ["set", "set(shortest=2)", "dyck(length=128)", "eca", "haystack"])
def test_blocks_leave_no_trace(text):
    """A batch larger than what is made at a time is its rows one by one."""
    task = read(text)
    n = 2 * task.block + 7
    whole = rows(task, 5, 5 + n)
    for i in (0, task.block - 1, task.block, 2 * task.block, n - 1):
        assert (whole.tokens[i] == rows(task, 5 + i, 6 + i).tokens[0]).all()


@pytest.mark.parametrize("text", SMALL)
def test_seeds_and_splits_give_other_rows(text):
    task = read(text)
    streams = [rows(task, 0, 50, seed=s, split=p).tokens for s in (0, 1) for p in ("train", "validation")]
    assert all((a != b).any() for i, a in enumerate(streams) for b in streams[:i])


SPACES = {
    "sort(symbols=4, longest=4)": 81,
    "dyck(kinds=2, length=8)": 14 * 16,
    "eca(cells=8, states=3)": 256,
    "haystack(pairs=2, symbols=8)": 42,
    "set(symbols=3, longest=6, shortest=2)": 124,
    "3*set(symbols=4, longest=4) + union(symbols=4, longest=4)": 162,
    "shuffled(identity(symbols=3, longest=3))": 224,
}


@pytest.mark.parametrize("text", SPACES)
def test_training_and_validation_share_no_row(text):
    """Where every row there is has been drawn, by several seeds, each is of one split only, and some are of either."""
    task = read(text)
    train, held = (
        {tuple(r) for seed in range(3) for r in rows(task, 0, 4000, seed=seed, split=split).tokens.tolist()}
        for split in ("train", "validation")
    )
    assert not train & held and train and held
    assert len(train) + len(held) == SPACES[text]


def test_one_row_in_sixteen_is_set_aside():
    """Of drawn rows, a sixteenth would be on the other side."""
    task, n = read("sort(longest=8)"), 32_000
    tokens = np.empty((n, task.width), np.uint16)
    task.fill(row_keys(stream("any"), np.arange(n, dtype=np.uint64)), tokens)
    padded = np.full((n, 20), task.pad, np.uint16)
    padded[:, : task.width] = tokens
    from janiform.tasks.procedural.rows import set_aside

    assert abs(set_aside(padded, task.pad).sum() - n / 16) < 5 * (n / 16) ** 0.5


def test_a_mixture_keeps_to_the_sides_of_its_parts():
    """A row of validation is no row of training of a mixture with the task, either."""
    small = Transduction("sort", 4, 4)
    held = rows(small, 0, 500, split="validation").tokens
    mixed = Mixture((small, Transduction("sort", 4, 7)), (1, 1))
    train = {tuple(r) for r in rows(mixed, 0, 4000).tokens[:, : small.width].tolist()}
    assert not train & {tuple(r) for r in held.tolist()}


def test_a_task_with_one_row_has_no_validation():
    task = read("identity(symbols=2, longest=3)")
    sides = []
    for split in ("train", "validation"):
        try:
            sides.append(len(rows(task, 0, 1, split=split)))
        except InputError as error:
            assert "too few different rows" in str(error)
    assert sides == [1]


@pytest.mark.parametrize(("given", "says"), [((3, 2), "stop is at least start"), ((-1, 2), "from 0 on")])
def test_rows_are_numbered_from_0(given, says):
    with pytest.raises(InputError, match=says):
        rows(read("set"), *given)


def test_a_split_is_one_of_two():
    with pytest.raises(InputError, match="train or validation, not 'test'"):
        rows(read("set"), 0, 1, split="test")  # type: ignore[arg-type]


def test_asked_are_the_places_before_targets():
    """As in ``Sequences``: the prediction made after a token counts where the next one is a target."""
    some = rows(read("set(longest=5)"), 0, 20)
    for row, b, e in zip(some.asked.tolist(), some.begin.tolist(), some.end.tolist()):
        assert [i for i, a in enumerate(row) if a] == list(range(b - 1, e - 1))


# --- the same everywhere ------------------------------------------------------------------------------------------

GOLDEN = {
    "identity": "eba235bff1a00385",
    "reverse": "36de47bc753d8f2f",
    "sort": "789fdbcf6860b510",
    "set": "eb54b6cc433c3144",
    "union": "362b4cf7192f88dd",
    "delete": "909461b0187db06a",
    "stack": "1d76a3d7c05e2862",
    "ww": "7b146840f2fa9f1d",
    "dyck": "5a2468633cabea06",
    "shuffle_dyck": "11ce17110419bc7c",
    "eca": "0402ad20c5297f4c",
    "haystack": "609e6bea7b3950e4",
    "addition": "1706d52de56dc55a",
    "reversed_addition": "06b5bb6ac2668cf7",
    "multiplication": "550a9f35443ca0d9",
    "set(shortest=2)": "2c3557b2072f7eaf",
    "shuffled(set)": "633fb5bb03ff36d5",
    "ngram(set)": "a869fdc7efef6bf5",
    "3*set + union": "159fa4f62ac0e205",
    "apart(dyck + eca)": "6a18b362600472a5",
}


@pytest.mark.parametrize("text", GOLDEN)
def test_the_first_rows_are_those_of_every_other_machine(text):
    """A digest of 1,000 rows of each task (50 of the long ones)."""
    task = read(text)
    assert digest(task, 1000 if task.width < 1500 else 50) == GOLDEN[text]


SETTINGS = [(1, 20, 0.5, 4), (3, 30, 0.9, 2), (64, 200, 0.49, 200), (5, 64, 0.01, 1)]


@pytest.mark.parametrize(("kinds", "length", "p", "deepest"), SETTINGS)
@pytest.mark.parametrize(("name", "twin"), [("nest", nest_by_column), ("interleave", interleave_by_column)])
def test_compiled_brackets_are_those_of_numpy(name, twin, kinds, length, p, deepest):
    """Row by row in machine code, or column by column in NumPy: the same tokens."""
    loop = compiled(name)
    if loop is None:
        pytest.skip("Numba is absent")
    drawn = draws(row_keys(stream(name), np.arange(200, dtype=np.uint64)), length)
    a, b = (np.empty((200, length), np.uint16) for _ in range(2))
    loop(drawn, kinds, round(p * 2**32), deepest, a)
    twin(drawn, kinds, round(p * 2**32), deepest, b)
    assert (a == b).all()


@pytest.mark.parametrize(("free", "n"), [(99, 64), (1, 7), (3, 20), (40, 1)])
def test_compiled_stacks_are_those_of_numpy(free, n):
    loop = compiled("operate")
    if loop is None:
        pytest.skip("Numba is absent")
    drawn = draws(row_keys(stream("stack"), np.arange(300, dtype=np.uint64)), n)
    made = []
    for each in (loop, by_column):
        operations, answer, depths = (
            np.empty((300, n), np.uint16),
            np.full((300, n), 7, np.uint16),
            np.empty(300, np.int32),
        )
        each(drawn, 2 * n // 3, 3 << 30, 1 << 30, free, operations, answer, depths)
        made.append((operations, answer, depths))
    assert all((a == b).all() for a, b in zip(*made))


def test_without_numba_rows_are_the_same():
    """A process that cannot import Numba makes the same rows."""
    script = (
        "import sys; sys.modules['numba'] = None\n"
        "from janiform.tasks.procedural import read, rows\n"
        "for t in ('stack', 'dyck(length=64)', 'shuffle_dyck(length=64)'):\n"
        "    print(*rows(read(t), 0, 40).tokens.ravel().tolist())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for text, line in zip(("stack", "dyck(length=64)", "shuffle_dyck(length=64)"), run.stdout.splitlines()):
        assert rows(read(text), 0, 40).tokens.ravel().tolist() == list(map(int, line.split()))


# --- random numbers -----------------------------------------------------------------------------------------------


def test_bits_are_balanced_and_unrelated():
    """Each of the 64 bits is 1 half the time, and differs from the same bit of the next word and row half the time."""
    drawn = words(row_keys(stream("bits"), np.arange(400, dtype=np.uint64)), 100)
    pairs = [drawn, drawn[:, 1:] ^ drawn[:, :-1], drawn[1:] ^ drawn[:-1], drawn ^ np.roll(drawn, 7)]
    for some in pairs:
        bits = np.unpackbits(some.copy().view(np.uint8), axis=None).reshape(-1, 64)
        assert np.abs(bits.mean(axis=0) - 0.5).max() < 4.5 * 0.5 / len(bits) ** 0.5


def test_numbers_below_a_bound_are_uniform():
    for bound in (2, 10, 99, 1000):
        found = np.bincount(
            below(draws(row_keys(stream("below"), np.arange(1000, dtype=np.uint64)), 200), bound).ravel()
        )
        share = 200_000 / bound
        assert len(found) == bound and np.abs(found - share).max() < 5.5 * share**0.5
