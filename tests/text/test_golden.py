"""The paper's programs compute what the paper says, against plain Python on every short input."""

from collections import Counter
from itertools import product
from pathlib import Path

from janiform.ir.evaluate import Run
from janiform.text import parse

GOLDEN = Path(__file__).parents[1] / "golden"


def ran(name, inputs):
    """Every output of a golden program on many inputs."""
    program = parse((GOLDEN / f"{name}.rasp").read_text(encoding="utf-8"))
    run = Run([list(x) for x in inputs])
    return {output: run.values(node) for output, node in program.outputs.items()}


def words(vocabulary, length):
    """Every word up to a length."""
    return ["".join(w) for n in range(1, length + 1) for w in product(vocabulary, repeat=n)]


def test_histograms_reverse_and_sorts():
    """hist, hist2, reverse, sort and sort by frequency."""
    inputs = words("abc", 5)
    found = ran("paper", inputs)
    for i, word in enumerate(inputs):
        often = Counter(word)
        alike = Counter(often.values())
        ranked = sorted(often, key=lambda c: (-often[c], word.index(c)))
        assert found["hist"][i] == [often[c] for c in word]
        assert found["hist2"][i] == [alike[often[c]] for c in word]
        assert "".join(found["reverse"][i]) == word[::-1]
        assert "".join(found["sorted"][i]) == "".join(sorted(word))
        assert "".join(found["most_freq"][i]) == "".join(ranked).ljust(len(word), "-")


def dyck(word, pairs):
    """T, P or F for every prefix: balanced, could become so, cannot."""
    states, stack, broken = [], [], False
    for c in word:
        match = [p for p in pairs if c in p]
        if match and c == match[0][0]:
            stack.append(c)
        elif match:
            broken = broken or not stack or stack.pop() != match[0][0]
        states.append("F" if broken else "P" if stack else "T")
    return states


def test_balanced_brackets():
    """dyck1 and dyck2 on every prefix of every word."""
    for inputs, name, pairs in (
        (words("()x", 6), "dyck1", ["()"]),
        (words("(){}", 6), "dyck2", ["()", "{}"]),
    ):
        found = ran("paper", inputs)[name]
        for word, states in zip(inputs, found, strict=True):
            assert states == dyck(word, pairs), word


def test_addition():
    """Every sum of two numbers of up to two digits, and carries that run far."""
    inputs = [f"{a:02}+{b:02}" for a in range(0, 100, 3) for b in range(0, 100, 7)] + [
        "09999+00001",
        "14509+35491",
        "1+2",
    ]
    for text, values in zip(inputs, ran("addition", inputs)["sum"], strict=True):
        a, b = text.split("+")
        answer = f"{(int(a) + int(b)) % 10 ** len(b):0{len(b)}}"
        assert values == [-1] * (len(a) + 1) + [int(d) for d in answer], text


def test_every_form():
    """One of each way to write a node, worked out by hand on 'abya'."""
    found = {name: values[0] for name, values in ran("forms", ["abya"]).items()}
    assert found == {
        "looked_up": [1, 2, 0, 1],
        "together": [10, 20, 0, 10],
        "several": [-1, 1, 5, 3],
        "power": [-4 + 4 + 512 + 4**i + i for i in range(4)],
        "mixed": [2 * i - 1 - (2 * (i + 1) / 4 // 1) % 7 for i in range(4)],
        "chosen": [1, 2, 1, 3],
        "total": [3 + 1 + 3 + 0 + 0, 0 + 1 + 3 + 1 + 0.3, 0 + 1 + 3 + 2 + 0.7, 0 + 1 + 3 + 2 + 1],
        "smallest": [1, 3, 3, 0],
        "label": [None, "one", "one", "one"],
        "kind": ["x"] * 4,
    }
