"""The library: its index is true of its files, and every program computes what it says."""

import json
import math
import random
from importlib.resources import files

import formulations
import numpy as np
import pytest

from janiform import programs
from janiform.errors import ProgramError
from janiform.ir.evaluate import evaluate

NAMES = programs.names()
FOLDER = files(programs)


def outputs(name: str, inputs: list) -> list[list]:
    """Run a library program on inputs through the interpreter."""
    e = programs.entry(name)
    (result,) = evaluate(programs.load(name), [list(x) for x in inputs], signature=e.signature).values()
    return result


def close(a: object, b: object) -> bool:
    """Equal values, numbers within 1e-6 relative."""
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)
    return type(a) is type(b) and a == b


def same(got: list, want: list) -> bool:
    return len(got) == len(want) and all(map(close, got, want))


def drawn(name: str, count: int = 40) -> list[list]:
    """Random inputs of every length, and the same token throughout."""
    e, rng = programs.entry(name), random.Random(name)
    inputs = [rng.choices(e.vocab, k=rng.randint(1, e.max_len)) for _ in range(count)]
    return [*inputs, [e.vocab[0]] * e.max_len, [e.vocab[-1]] * e.max_len]


# --- the index ------------------------------------------------------------------------------------------------------


def test_the_library_is_large():
    """There are at least 160 files, and every behavior of TracrBench's 120."""
    assert len({e.file for e in programs.entries()}) >= 160
    assert len(programs.names("behaviors")) == 120


def test_index_and_files_agree():
    """Every file is in the index, every entry has its file, and no name stands twice."""
    present = {f.name for f in FOLDER.iterdir() if f.name.endswith(".rasp")}
    assert {e.file for e in programs.entries()} == present
    rows = json.loads((FOLDER / "index.json").read_text("utf-8"))["programs"]
    assert len({r["name"] for r in rows}) == len(rows)


@pytest.mark.parametrize("file", sorted({e.file for e in programs.entries()}))
def test_a_file_says_what_it_computes(file):
    """Each file begins with the summary that the index gives, is named after its output, and is short."""
    owners = [e for e in programs.entries() if e.file == file]
    lines = (FOLDER / file).read_text("utf-8").splitlines()
    comment = " ".join(
        line[2:] for line in lines[: next(i for i, x in enumerate(lines) if not x.startswith("# "))]
    )
    assert {e.summary for e in owners} == {comment}
    assert list(programs.load(owners[0].name).outputs) == [file.removesuffix(".rasp")]
    assert len(lines) <= 30 and max(map(len, lines)) <= 120


@pytest.mark.parametrize("name", NAMES)
def test_the_example_holds(name):
    """The example of each entry is what the program gives, within its vocabulary and length."""
    given, want = programs.entry(name).example
    assert same(outputs(name, [given])[0], list(want))


@pytest.mark.parametrize("name", NAMES)
def test_a_program_has_a_meaning_everywhere(name):
    """Any input over the vocabulary has an output, as long as the input."""
    inputs = drawn(name)
    assert [len(y) for y in outputs(name, inputs)] == [len(x) for x in inputs]


def test_an_unknown_name_is_met_with_a_suggestion():
    with pytest.raises(ProgramError, match="did you mean 'reverse'"):
        programs.load("revers")
    with pytest.raises(ProgramError, match="no group 'behaviour'.*'behaviors'"):
        programs.names("behaviour")


def test_loading_twice_gives_the_same_program():
    assert programs.load("sort") is programs.load("sort")


# --- the behaviors --------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_every_pair_of_the_benchmark_holds(shared_data):
    """Vocabulary and length are those of the behavior's inputs."""
    wrong = {}
    for name, pairs in json.loads((shared_data / "behaviors.json").read_text("utf-8")).items():
        (got,) = evaluate(programs.load(name), [x for x, _ in pairs]).values()
        bad = [(x, want, y) for (x, want), y in zip(pairs, got) if not same(y, want)]
        if bad:
            wrong[name] = bad[0]
    assert wrong == {}


@pytest.mark.parametrize("name", programs.names("behaviors"))
def test_a_behavior_is_its_plain_formulation(name):
    """The program and a formulation in plain Python agree on random inputs."""
    inputs = drawn(name)
    if name == "sort_unique":
        inputs = [list(dict.fromkeys(x)) for x in inputs]
    if name == "one_hot_decode":
        inputs = [x for x in inputs if 1 in x]
    say = formulations.behavior(name)
    for x, got in zip(inputs, outputs(name, inputs)):
        assert same(got, say(x)), (x, got, say(x))


# --- the classics, in other words -----------------------------------------------------------------------------------


def balanced(x: list, pairs: dict[str, str]) -> str:
    """'T' for a balanced string, 'P' for a prefix of one, else 'F': by a stack."""
    stack = []
    for c in x:
        if c in pairs:
            stack.append(pairs[c])
        elif not stack or stack.pop() != c:
            return "F"
    return "P" if stack else "T"


def prefixes(say):
    return lambda x: [say(x[: i + 1]) for i in range(len(x))]


def height(x: list, open: str, close: str) -> np.ndarray:
    return np.cumsum([(c == open) - (c == close) for c in x])


def shuffled(*pairs: str):
    return lambda x: [int(all(h[-1] == 0 and h.min() >= 0 for h in (height(x, *p) for p in pairs)))] * len(x)


def added(x: list) -> list:
    left, _, right = "".join(x).rpartition("+")
    first = 0
    for c in left:
        first = 10 * first + (int(c) if c != "+" else 0)
    return list(str(first + int(right or 0)).rjust(len(x)))


def by_frequency(x: list) -> list:
    ranked = sorted(dict.fromkeys(x), key=lambda v: -x.count(v))
    return ranked + [None] * (len(x) - len(ranked))


def last_before(x: list, i: int, test) -> int | None:
    return next((j for j in range(i - 1, -1, -1) if test(x[j])), None)


def induced(x: list) -> object:
    j = last_before(x, len(x) - 1, lambda v: v == x[-1])
    return None if j is None else x[j + 1]


CLASSICS = {
    "pair_balance": prefixes(lambda x: (x.count("(") - x.count(")")) / len(x)),
    "shuffle_dyck1": shuffled("()"),
    "shuffle_dyck2": shuffled("()", "{}"),
    "shift_by": lambda x: [None, *x[:-1]],
    "detect_pattern": prefixes(lambda x: x[-3:] == list("abc")),
    "hist_bos": lambda x: [0 if v == "§" else x.count(v) for v in x],
    "hist2": lambda x: [len({w for w in x if x.count(w) == x.count(v)}) for v in x],
    "sort_by_freq": by_frequency,
    "most_freq": lambda x: [max(dict.fromkeys(x), key=x.count)] * len(x),
    "dyck1_ptf": prefixes(lambda x: balanced(x, {"(": ")"})),
    "dyck2_ptf": prefixes(lambda x: balanced(x, {"(": ")", "{": "}"})),
    "dyck1": lambda x: [balanced(x, {"(": ")"}) == "T"] * len(x),
    "long_addition": added,
    "has_prev": prefixes(lambda x: x[-1] in x[:-1]),
    "has_seen": prefixes(lambda x: x[-1] in x[:-1]),
    "firsts": prefixes(lambda x: x.index(x[-1])),
    "lasts": prefixes(lambda x: last_before(x, len(x) - 1, lambda v: v == x[-1])),
    "induction": prefixes(induced),
    "mode": prefixes(lambda x: max(dict.fromkeys(x), key=x.count)),
    "argmax": prefixes(lambda x: int(np.argmax(x))),
    "maximum": lambda x: np.maximum.accumulate(x).tolist(),
    "minimum": lambda x: np.minimum.accumulate(x).tolist(),
    "cumsum": lambda x: np.cumsum(x).tolist(),
    "running_mean": lambda x: (np.cumsum(x) / np.arange(1, len(x) + 1)).tolist(),
    "parity": lambda x: (np.cumsum(x) % 2).tolist(),
    "majority": prefixes(lambda x: int(2 * sum(x) > len(x))),
    "distinct_so_far": prefixes(lambda x: len(set(x))),
    "max_depth": lambda x: np.maximum(np.maximum.accumulate(height(x, "(", ")")), 0).tolist(),
    "balanced_so_far": prefixes(lambda x: balanced(x, {"(": ")"}) == "T"),
    "record_count": prefixes(lambda x: len(set(np.maximum.accumulate(x).tolist()))),
    "increasing_so_far": prefixes(lambda x: sorted(x) == x),
    "tomita2": prefixes(lambda x: len(x) % 2 == 0 and x == [1, 0] * (len(x) // 2)),
    "tomita4": prefixes(lambda x: "000" not in "".join(map(str, x))),
    "tomita5": prefixes(lambda x: x.count(0) % 2 == 0 and x.count(1) % 2 == 0),
    "tomita6": prefixes(lambda x: (x.count(0) - x.count(1)) % 3 == 0),
    "tomita7": prefixes(lambda x: "".join(map(str, x)).count("10") <= 1),
}


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_is_its_plain_formulation(name):
    """Programs of the papers agree with what a programmer would write, on random inputs."""
    inputs = drawn(name, 150)
    for x, got in zip(inputs, outputs(name, inputs)):
        assert same(got, list(CLASSICS[name](x))), (x, got, CLASSICS[name](x))
