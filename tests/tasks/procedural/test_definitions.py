"""Every task is what its definition says: rows are read back by plain Python, and their law is the exact one."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.tasks.procedural import (
    Arithmetic,
    CellularAutomaton,
    Dyck,
    Haystack,
    Procedure,
    ShuffleDyck,
    Transduction,
    Twice,
    rows,
)
from janiform.tasks.procedural.draws import row_keys, stream

Law = Iterator[tuple[Fraction, list[int]]]


def lists(task: Procedure, count: int = 300) -> list[tuple[list[int], list[int], list[int]]]:
    """Each row as what comes before its targets, its targets, and what follows."""
    some = rows(task, 0, count)
    return [
        (row[:b], row[b:e], row[e:])
        for row, b, e in zip(some.tokens.tolist(), some.begin.tolist(), some.end.tolist())
    ]


def without_first(x: list[int], r: int) -> list[int]:
    return x[: x.index(r)] + x[x.index(r) + 1 :] if r in x else x


def left_on_stack(operations: list[int]) -> list[int]:
    stack: list[int] = []
    for o in operations:
        if o:
            assert o not in stack
            stack.append(o)
        else:
            stack.pop()
    return stack[::-1]


def split(x: list[int], at: int) -> list[list[int]]:
    """The parts of a list between occurrences of ``at``."""
    cuts = [-1, *(i for i, v in enumerate(x) if v == at), len(x)]
    return [x[a + 1 : b] for a, b in zip(cuts, cuts[1:])]


ANSWERS = {
    "identity": lambda x: x,
    "reverse": lambda x: x[::-1],
    "sort": sorted,
    "set": lambda x: list(dict.fromkeys(x)),
    "union": lambda a, b: list(dict.fromkeys(a + b)),
    "delete": lambda x, r: without_first(x, r[0]),
    "stack": left_on_stack,
}


@pytest.mark.parametrize("lengths", [(64, None), (9, 2), (5, 5)])
@pytest.mark.parametrize("symbols", [100, 8])
@pytest.mark.parametrize("rule", ANSWERS)
def test_a_transduction_asks_for_what_its_rule_makes(rule, symbols, lengths):
    """Input over 1 .. symbols - 1 in parts, separator, the answer, padding."""
    task = Transduction(rule, symbols, *lengths)
    seen = set()
    for before, answer, after in lists(task):
        *parts, nothing = split(before, symbols)
        assert nothing == [] and answer == ANSWERS[rule](*parts)
        assert after == [symbols + 1] * (task.width - len(before) - len(answer))
        assert all(v in range(rule != "stack", symbols) for part in parts for v in part)
        n = len(parts[0]) * (2 if rule == "union" else 1)
        assert rule != "union" or len(parts[0]) == len(parts[1])
        seen.add(n)
    even = 2 if rule == "union" else 1
    least = lengths[0] if lengths[1] is None else lengths[1]
    assert seen == {n - n % even for n in range(least, lengths[0] + 1)}


def test_lengths_are_uniform():
    """Each length from shortest to longest is as frequent as the others."""
    some = rows(Transduction("identity", longest=9, shortest=2), 0, 40_000)
    counts = np.bincount(some.begin)[3:]
    assert len(counts) == 8 and np.abs(counts - 5000).max() < 5 * 5000**0.5


def test_ww_says_a_word_twice():
    for before, rest, after in lists(Twice(symbols=5, length=12)):
        assert before + rest == 2 * (before + rest[:5]) and after == [] and max(rest) < 5


@pytest.mark.parametrize("task", [Haystack(), Haystack(pairs=3, symbols=12), Haystack(pairs=1, symbols=4)])
def test_a_haystack_asks_for_the_value_of_a_key(task):
    """Keys h .. h + pairs - 1, each once, values 1 .. h - 1, the question pairs further on, then zeros."""
    h, sizes = task.symbols // 2, set()
    for before, answer, after in lists(task, 500):
        *pairs, question = before
        keys, values = [k - h for k in pairs[::2]], pairs[1::2]
        assert len(set(keys)) == len(keys) and set(keys) <= set(range(task.pairs))
        assert set(values) <= set(range(1, h))
        assert answer == [dict(zip(keys, values))[question - h - task.pairs]] and set(after) <= {0}
        sizes.add(len(keys))
    assert sizes == set(range(1, task.pairs + 1))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("operation", "digits"),
    [("addition", 5), ("reversed_addition", 10), ("multiplication", 5), ("addition", 1)],
)
def test_arithmetic_is_right(operation, digits, whole):
    """Both numbers have all their digits, the answer is the result and STOP, and the targets are as published."""
    turn = -1 if operation == "reversed_addition" else 1
    for before, targets, after in lists(Arithmetic(operation, digits, whole)):
        row = before + targets + after
        question, answer = row[: row.index(11)], [t for t in row if t >= 20]
        a, b = ("".join(map(str, part[::turn])) for part in split(question, 10))
        assert len(str(int(a))) == len(str(int(b))) == digits
        result = int(a) * int(b) if operation == "multiplication" else int(a) + int(b)
        assert answer == [20 + int(d) for d in str(result)[::turn]] + [30]
        assert set(row[row.index(30) + 1 :]) <= {12}
        told = [i for i in range(1, len(row)) if (row[i] if whole else row[i - 1]) >= 20]
        assert list(range(len(before), len(before) + len(targets))) == told


@pytest.mark.parametrize("cells", [1, 2, 5, 63, 64, 65, 130])
@pytest.mark.parametrize("rule", [110, 30, 90, 184, 0, 255, 1])
def test_an_automaton_follows_its_rule(rule, cells):
    """Each cell follows from the three above it, around the ring."""
    task = CellularAutomaton(rule, cells, 4)
    tokens = np.empty((20, task.width), np.uint16)
    assert task.fill(row_keys(stream("eca"), np.arange(20, dtype=np.uint64)), tokens) == (cells, 4 * cells)
    for row in tokens.tolist():
        for state, after in zip(range(3), range(1, 4)):
            s = row[state * cells : (state + 1) * cells]
            wanted = [rule >> (4 * s[i - 1] + 2 * s[i] + s[(i + 1) % cells]) & 1 for i in range(cells)]
            assert row[after * cells : (after + 1) * cells] == wanted


def test_every_rule_has_its_table():
    """All 256 rules, all 8 neighborhoods."""
    for rule in range(256):
        some = np.empty((40, 16), np.uint16)
        CellularAutomaton(rule, 8, 2).fill(row_keys(stream("all"), np.arange(40, dtype=np.uint64)), some)
        above, below = some[:, :8].astype(int), some[:, 8:]
        assert (below == rule >> (4 * np.roll(above, 1, 1) + 2 * above + np.roll(above, -1, 1)) & 1).all()


# --- laws: the probability of each row, by the definition, beside how often it is drawn ------------------------------


def dyck_law(kinds: int, length: int, p: Fraction, deepest: int, begun: list[int] | None = None) -> Law:
    """Words of nested brackets with their probabilities."""
    begun = begun or []
    stack: list[int] = []
    for token in begun:
        stack.append(token) if token < kinds else stack.pop()
    left = length - len(begun)
    if not left:
        yield Fraction(1), begun
        return
    may = len(stack) < left - 1 and len(stack) < deepest
    opens = Fraction(1) if not stack else p if may else Fraction(0)
    ways = [(opens / kinds, kind) for kind in range(kinds)]
    ways += [(1 - opens, stack[-1] + kinds)] if stack else []
    for share, token in ways:
        if share:
            for rest, word in dyck_law(kinds, length, p, deepest, [*begun, token]):
                yield share * rest, word


def shuffle_law(kinds: int, length: int, p: Fraction, deepest: int, begun: list[int] | None = None) -> Law:
    """Beginnings of words of brackets that may cross, with their probabilities."""
    begun = begun or []
    if len(begun) == length:
        yield Fraction(1), begun
        return
    live = [k for k in range(kinds) if begun.count(k) > begun.count(k + kinds)]
    depth = sum(1 if t < kinds else -1 for t in begun)
    opens = Fraction(1) if not depth else p if depth < deepest else Fraction(0)
    for token in range(2 * kinds):
        share = opens / kinds if token < kinds else (1 - opens) / len(live) if token - kinds in live else 0
        if share:
            for rest, word in shuffle_law(kinds, length, p, deepest, [*begun, token]):
                yield share * rest, word


def stack_law(symbols: int, n: int, begun: list[int] | None = None) -> Law:
    """Operations on a stack with their probabilities."""
    begun = begun or []
    if len(begun) == n:
        yield Fraction(1), begun
        return
    stack = left_on_stack(begun)
    free = [v for v in range(1, symbols) if v not in stack]
    push = Fraction(3, 4) if len(begun) < 2 * n // 3 else Fraction(1, 4)
    if len(stack) <= 1:
        push = Fraction(1)
    elif len(begun) == n - 1:
        push = Fraction(0)
    if not free:
        push = Fraction(0)
    for share, o in [*((push / max(len(free), 1), v) for v in free), (1 - push, 0)]:
        if share:
            for rest, word in stack_law(symbols, n, [*begun, o]):
                yield share * rest, word


LAWS = {
    "dyck": (Dyck(2, 8, 0.375), 8, dyck_law(2, 8, Fraction(3, 8), 8)),
    "dyck at most 2 deep": (Dyck(2, 8, 0.75, 2), 8, dyck_law(2, 8, Fraction(3, 4), 2)),
    "shuffle": (ShuffleDyck(2, 6, 0.5, 16), 6, shuffle_law(2, 6, Fraction(1, 2), 16)),
    "shuffle at most 2 deep": (ShuffleDyck(3, 5, 0.75, 2), 5, shuffle_law(3, 5, Fraction(3, 4), 2)),
    "stack": (Transduction("stack", 5, 5), 5, stack_law(5, 5)),
    "stack of few symbols": (Transduction("stack", 2, 5), 5, stack_law(2, 5)),
    "sort": (
        Transduction("sort", 4, 3),
        3,
        ((Fraction(1, 27), [a, b, c]) for a in (1, 2, 3) for b in (1, 2, 3) for c in (1, 2, 3)),
    ),
}


@pytest.mark.parametrize("case", LAWS)
def test_rows_have_the_exact_law(case):
    """Every word comes as often as its probability says, within five standard deviations, and no other word comes."""
    task, width, law = LAWS[case]
    count = 60_000
    tokens = np.empty((count, task.width), np.uint16)
    task.fill(row_keys(stream(case), np.arange(count, dtype=np.uint64)), tokens)
    found = Counter(map(tuple, tokens[:, :width].tolist()))
    wanted = {tuple(word): float(share) for share, word in law}
    assert abs(sum(wanted.values()) - 1) < 1e-9 and set(found) <= set(wanted)
    for word, share in wanted.items():
        assert abs(found[word] - count * share) < 5 * (count * share) ** 0.5 + 5, (
            word,
            found[word],
            count * share,
        )


@pytest.mark.parametrize("task", [Dyck(), ShuffleDyck(), Dyck(kinds=3, length=40, deepest=4)])
def test_brackets_match_at_full_size(task):
    """Each bracket that closes has its partner; nested words end balanced; none is deeper than allowed."""
    for row in rows(task, 0, 5).tokens.tolist():
        opened: list[int] = []
        for i, token in enumerate(row):
            if token < task.kinds:
                opened.append(token)
            elif isinstance(task, Dyck):
                assert opened.pop() == token - task.kinds
            else:
                opened.remove(token - task.kinds)
            assert len(opened) <= (task.deepest or task.length - i - 1)
        assert opened == [] or isinstance(task, ShuffleDyck)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Transduction("rotate"), "one of identity, reverse"),
        (lambda: Transduction("set", 1), "2 to 32768 symbols, got 1"),
        (lambda: Transduction("union", longest=1), "union takes lengths from 2"),
        (lambda: Transduction("set", longest=4, shortest=5), "got 5 to 4"),
        (lambda: Dyck(length=7), "even lengths, not 7"),
        (lambda: Dyck(p_open=1.0), "between 0 and 1, got 1.0"),
        (lambda: ShuffleDyck(deepest=0), "at least 1 bracket"),
        (lambda: CellularAutomaton(256), "0 to 255, got 256"),
        (lambda: Haystack(pairs=30, symbols=100), "from 120 on, got 100"),
        (lambda: Arithmetic("division"), "one of addition"),
        (lambda: Arithmetic("multiplication", 10), "1 to 9 digits, got 10"),
        (lambda: Twice(length=3), "even length"),
    ],
)
def test_settings_without_meaning_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()
