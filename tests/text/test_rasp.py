"""The language: every form with the values it must have, and every fault with what it must say."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from janiform.errors import JaniformError, ParseError
from janiform.ir.evaluate import Run
from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import Const, Count, Indices, Map, Select, Tokens
from janiform.text import parse

GOLDEN = Path(__file__).parents[1] / "golden"


def values(text, tokens="hello", **options):
    """The values of every output on one input."""
    program = parse(text, **options)
    run = Run([list(tokens)])
    found = {name: run.values(node)[0] for name, node in program.outputs.items()}
    return next(iter(found.values())) if len(found) == 1 else found


FORMS = {
    "tokens;": list("hello"),
    "indices;": [0, 1, 2, 3, 4],
    "length;": [5] * 5,
    "x = 5;": [5] * 5,
    "x = -indices;": [0, -1, -2, -3, -4],
    "x = +indices;": [0, 1, 2, 3, 4],
    "x = 2 ^ indices;": [1, 2, 4, 8, 16],
    "x = 2 ^ 3 ^ 2 + -2 ^ 2 + indices * 0;": [508] * 5,
    "x = indices / 2;": [0, 0.5, 1, 1.5, 2],
    "x = indices // 2;": [0, 0, 1, 1, 2],
    "x = (indices - 2) % 3;": [1, 2, 0, 1, 2],
    "x = 10 - indices - 1;": [9, 8, 7, 6, 5],
    "x = 1 + 2 * indices;": [1, 3, 5, 7, 9],
    "x = indices == 1;": [False, True, False, False, False],
    "x = indices != 1;": [True, False, True, True, True],
    "x = not indices == 1;": [True, False, True, True, True],
    "x = indices < 2 or indices >= 4;": [True, True, False, False, True],
    'x = tokens == "l" and indices <= 2;': [False, False, True, False, False],
    "x = True and indices > 3;": [False, False, False, False, True],
    'x = tokens if indices > 2 else "-";': list("---lo"),
    "x = 1 if indices == 0 else 2 if indices == 1 else 3;": [1, 2, 3, 3, 3],
    "x = indices if 1 < 2 else missing;": [0, 1, 2, 3, 4],
    "x = round(indices / 2);": [0, 0, 1, 2, 2],
    "x = round(indices / 3, 1);": [0, 0.3, 0.7, 1, 1.3],
    'x = indicator(tokens == "l");': [0, 0, 1, 1, 0],
    "x = abs(indices - 2);": [2, 1, 0, 1, 2],
    "x = sqrt(indices * indices);": [0, 1, 2, 3, 4],
    "x = floor(indices / 2) + ceil(indices / 2);": [0, 1, 2, 3, 4],
    "x = factorial(indices);": [1, 1, 2, 6, 24],
    "x = str(indices);": list("01234"),
    "x = int(str(indices)) + 1;": [1, 2, 3, 4, 5],
    "x = bool(indices);": [False, True, True, True, True],
    "x = len(tokens);": [1] * 5,
    "x = min(indices, 2) + max(indices, 3, 1);": [3, 4, 5, 5, 6],
    "x = max(indices);": [4] * 5,
    "x = min(tokens);": ["e"] * 5,
    "x = max([1, indices, 3]);": [3, 3, 3, 3, 4],
    "x = tokens[1];": ["e"] * 5,
    "x = tokens[-1];": ["o"] * 5,
    "x = tokens[indices + 1];": ["e", "l", "l", "o", None],
    'x = tokens[indices + 1 else "-"];': list("ello-"),
    "x = [5, 8, 2, 9, 4][indices];": [5, 8, 2, 9, 4],
    "x = [5, 8][indices else 0];": [5, 8, 0, 0, 0],
    'x = "abcde"[indices];': list("abcde"),
    "x = [tokens, indices][1];": [0, 1, 2, 3, 4],
    'd = {"h": 1, "e": 2}; x = d[tokens else 0];': [1, 2, 0, 0, 0],
    'd = {("h", 0): 1, ("l", 2): 2}; x = d[tokens, indices else indices];': [1, 1, 2, 3, 4],
    'd = {"a": indices}; x = d["a"];': [0, 1, 2, 3, 4],
    'x = tokens in ["e", "o"];': [False, True, False, False, True],
    'x = tokens not in "eo";': [True, False, True, True, False],
    'x = tokens in {"l": 1};': [False, False, True, True, False],
    'x = "e" in tokens;': [True] * 5,
    'x = "z" in tokens;': [False] * 5,
    "x = length in indices + 1;": [True] * 5,
    'x = 1 if "e" in ["e"] else 2;': [1] * 5,
    "x = selector_width(select(tokens, tokens, ==));": [1, 1, 2, 2, 1],
    'x = selector_width(select(tokens, "l", ==));': [2] * 5,
    "x = selector_width(select(1, indices, <));": [0, 0, 5, 5, 5],
    "x = selector_width(select(tokens, tokens, ==) and select(indices, indices, <));": [0, 0, 0, 1, 0],
    "x = selector_width(not select(indices, indices, ==));": [4] * 5,
    "x = selector_width(select(indices, indices, <) or select(indices, indices, >));": [4] * 5,
    "x = selector_width(select(indices, indices, key + 1 == query or key == 0));": [1, 1, 2, 2, 2],
    "x = aggregate(select(indices, 2, <), indices);": [0.5] * 5,
    'x = aggregate(select(tokens, "z", ==), indices);': [None] * 5,
    'x = aggregate(select(tokens, "z", ==), indices, 7);': [7] * 5,
    "x = aggregate(select(indices, indices, <), 1, default=0);": [0, 1, 1, 1, 1],
    "x = aggregate_sum(select(indices, indices, <=), indices);": [0, 1, 3, 6, 10],
    'x = aggregate(select(indices, indices, <=), tokens, reduce="max");': list("hhllo"),
    "x = aggregate_min(select(indices, indices, >=), indices);": [0, 1, 2, 3, 4],
    'x = aggregate(best(select(tokens, "l", ==), "leftmost"), indices);': [2] * 5,
    'x = aggregate(best(select(tokens, "l", ==), "rightmost"), indices);': [3] * 5,
    'x = aggregate(best(full_s, "largest", -indices), tokens);': ["h"] * 5,
    "x = defined(aggregate(select(indices, indices, <), 1));": [False, True, True, True, True],
    "x = undefined if indices == 0 else indices;": [None, 1, 2, 3, 4],
    "x = const(3);": [3] * 5,
    "x = map(a * 2 + b where a = indices, b = length);": [5, 7, 9, 11, 13],
    "x = map(indices * 2 + length);": [5, 7, 9, 11, 13],
    "x = all_of(indices > 0, indices > 1, indices > 2);": [False, False, False, True, True],
    "x = any_of(indices > 0, indices > 1, indices > 2);": [False, True, True, True, True],
    "def f(x) { return x + 1; } y = f(f(indices));": [2, 3, 4, 5, 6],
    "def f(x, y) { return x, y; } a, b = f(indices, 1); c = a + b;": [1, 2, 3, 4, 5],
    "def f(x) { def g(y) { return x + y; } return g(1); } y = f(indices);": [1, 2, 3, 4, 5],
    "def f() { return n; } n = indices; y = f();": [0, 1, 2, 3, 4],
    "def f(x, n) { return x if n == 0 else f(x + 1, n - 1); } y = f(indices, 3);": [3, 4, 5, 6, 7],
    "def f(x, y) { return x - y; } z = f(y=1, x=indices);": [-1, 0, 1, 2, 3],
    "x = indices; for i in [1, 2] { x = x + i; } x;": [3, 4, 5, 6, 7],
    "x = 0; for i in range(4) { x = x + i; }": [6] * 5,
    "x = 0; for i in range(1, 6, 2) { x = x * 10 + i; }": [135] * 5,
    'x = ""; for a, b in zip(["1", "2"], ["3", "4"]) { x = x + a + b; } y = x;': ["1324"] * 5,
    'x = ""; for k in {"a": 1, "b": 2} { x = x + k; } y = x;': ["ab"] * 5,
    "l = [i * i for i in range(5)]; x = l[indices];": [0, 1, 4, 9, 16],
    "d = {str(i): i + 1 for i in range(5)}; x = d[str(indices)];": [1, 2, 3, 4, 5],
    "l = [a + b for a, b in zip([1, 2], [3, 4])] + [7]; x = l[2] + len(l) + l[0];": [14] * 5,
    "x = [];  y = len(x) + len([[1], 2]);": [2] * 5,
    '"""A docstring; "quoted" too.""" x = indices; # and a comment': [0, 1, 2, 3, 4],
    "x = " + "(" * 5000 + "indices" + ")" * 5000 + ";": [0, 1, 2, 3, 4],
    "x = " + "(1 + " * 100 + "indices" + ")" * 100 + ";": [100, 101, 102, 103, 104],
    "x = map(" + "(1 + " * 98 + "indices" + ")" * 98 + ");": [98, 99, 100, 101, 102],
    "x = indices;;": [0, 1, 2, 3, 4],
    "indices + 1; x = out * 2;": [2, 4, 6, 8, 10],
    'x = "a\\"b\\\\\\n\\u00e9";': ['a"b\\\né'] * 5,
    "x = 1.5e1 + .5 + 2.;": [17.5] * 5,
    "set example [1, 2]\nexamples off\nx = indices;\nfull seq display on": [0, 1, 2, 3, 4],
    # the library
    "x = histogram(tokens);": [1, 1, 2, 2, 1],
    'x = count(tokens, "l");': [2] * 5,
    'x = contains(tokens, "l");': [True] * 5,
    "x = has_prev(tokens);": [False, False, False, True, False],
    "x = average(indices);": [2] * 5,
    "x = sum(indices);": [10] * 5,
    "x = load_from_location(tokens, length - indices - 1);": list("olleh"),
    "x = reversed(tokens);": list("olleh"),
    'x = shift(tokens, 2, "-");': list("--hel"),
    'x = shift(tokens, -1, "-");': list("ello-"),
    'x = mark_last_instance(tokens, "l");': [False, False, False, True, False],
    'x = mark_first_instance(tokens, "l");': [False, False, True, False, False],
    'x = aggregate(select_from_last(tokens, "l"), indices);': [3] * 5,
    'x = aggregate(select_from_first(tokens, "l"), indices);': [2] * 5,
    "x = sort(tokens, tokens);": list("ehllo"),
    "x = sort(tokens, -indices);": list("olleh"),
    'x = aggregate(select_next_identical(tokens), indices, "-");': ["-", "-", 3, "-", "-"],
    "x = has_focus(select(indices, indices, <));": [False, True, True, True, True],
}


@pytest.mark.parametrize("text", FORMS, ids=lambda text: text[:40])
def test_every_form_has_its_value(text):
    """One line of the table is one form of the language."""
    found = values(text)
    assert found == FORMS[text] and [type(v) for v in found] == [type(v) for v in FORMS[text]]


def test_typed_tokens_are_elementwise_casts():
    """The four casts of the REPL, and the tokens as they are."""
    text = "a, b, c, d, e = tokens_int + 1, tokens_float / 2, tokens_str, tokens_bool, tokens_asis;"
    assert values(text, ["1", "3"]) == {
        "a": [2, 4],
        "b": [0.5, 1.5],
        "c": ["1", "3"],
        "d": [True, True],
        "e": ["1", "3"],
    }


def test_outputs_are_what_the_last_statement_makes():
    """One, several, written or assigned; constants and functions after it change nothing; names can be asked for."""
    assert list(parse("x = tokens; y = indices;").outputs) == ["y"]
    assert list(parse("x, y = tokens, indices;").outputs) == ["x", "y"]
    assert list(parse("x = tokens; y = indices; x, y, x + 1;").outputs) == ["x", "y", "out3"]
    assert list(parse("x = tokens; s = select(1, 1, ==); def f() { return 1; }").outputs) == ["x"]
    assert parse("x = tokens; y = indices;", outputs=["x"]).output is Tokens()
    assert parse("n = 3; y = indices;", outputs=["n", "y"]).outputs == {"n": Const(3), "y": Indices()}


def test_one_operation_is_one_map_and_constants_fold():
    """Expressions become nested maps of one operation each; equal expressions are one node."""
    assert parse("x = (indices + 1) * (indices + 1);").output == Map(
        Apply("*", (Arg(0), Arg(0))), (Map(Apply("+", (Arg(0), Lit(1))), (Indices(),)),)
    )
    assert parse("x = indices + 2 * 3;").output == Map(Apply("+", (Arg(0), Lit(6))), (Indices(),))
    assert parse("x = length;").output == Count(Select(Apply("==", (Arg(0), Arg(1))), Const(1), Const(1)))


def test_shared_graphs_stay_linear():
    """Doubling a thousand times makes a thousand nodes."""
    assert len(parse("x = indices;" + "x = x + x;" * 1000).nodes()) == 1001
    chain = parse("x = indices" + " + 1" * 3000 + ";")
    assert len(chain.nodes()) == 3001


def test_names_and_places_are_kept():
    """Names of globals and of locals; the line and column of every node the text makes."""
    text = "a = indices + 1;\ndef f(x) { inner = x * 2; return inner - 1; }\nb = f(a);\nc = sort(b, b);"
    program = parse(text)
    named = {name: node for node, name in program.names.items()}
    assert {"a", "b", "c", "inner", "target_position"} <= set(named)
    assert (program.spans[named["a"]].line, program.spans[named["a"]].column) == (1, 5)
    assert program.spans[named["inner"]].line == 2
    assert program.spans[named["target_position"]].line == 4
    assert program.source == text


def test_load_runs_a_file_of_the_folder_and_of_no_other(tmp_path):
    """Public names come, private ones stay; a missing file, one outside, and a circle are refused."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "lib.rasp").write_text("_hidden = 1; def inc(x) { return x + _hidden; } tokens = tokens_str;")
    (inside / "circle.rasp").write_text('load "circle";')
    (inside / "broken.rasp").write_text("x = 1;\ny = nothing;")
    (tmp_path / "secret.rasp").write_text("x = tokens;")
    main = inside / "main.rasp"
    assert values('load "lib"; x = inc(indices);', filename=main) == [1, 2, 3, 4, 5]
    for text, said in {
        'load "lib"; x = _hidden;': "unknown name '_hidden'",
        'load "../secret";': "outside the folder",
        f'load "{tmp_path / "secret"}";': "outside the folder",
        'load "absent";': "no file 'absent.rasp'",
        'load "circle";': "loads itself",
        'load "broken";': "line 2: unknown name 'nothing'",
        'load "main\\u0000";': "not a file name",
    }.items():
        with pytest.raises(ParseError, match=said):
            parse(text, filename=main)
    assert values('load "any"; y = z;', load=lambda path: f'z = "{path}";') == ["any"] * 5


def test_what_an_empty_selection_gives_can_be_told():
    """Undefined, unless a default is written or the text is read the published REPL's way."""
    text = "def f(x) { return aggregate(select(indices, indices, <), x); } x, y = f(indices), shift(indices, 1, 9);"
    assert values(text, "abc") == {"x": [None, 0, 0.5], "y": [9, 0, 1]}
    assert values(text, "abc", empty=0) == {"x": [0, 0, 0.5], "y": [9, 0, 1]}


FAULTS = {
    "x = ;": (1, 5, "expected a value"),
    "x = 3": (1, 6, "ends too early"),
    "x = (1, 2": (1, 10, "ends too early"),
    "x = tokens\n\ny = 1;": (1, 11, "expected ';' or an operator here, before 'y'"),
    "x = 'a';": (1, 5, "double quotes"),
    'x = "abc;': (1, 5, "does not end on its line"),
    'x = "\\q";': (1, 6, "unknown escape"),
    "x = a && b;": (1, 7, "write 'and' or 'or'"),
    "x = !tokens;": (1, 5, "negation 'not'"),
    "3 = x;": (1, 1, "only a name can be assigned"),
    "def f(x) { y = x; }": (1, 1, "must end in 'return"),
    "def f(x, x) { return x; }": (1, 1, "two parameters of one name"),
    "def f(x) { return x; y = 1; return y; }": (1, 12, "must be the last statement"),
    "for i in [1] { return i; }": (1, 16, "must be the last"),
    "return 3;": (1, 1, "only at the end of a function"),
    "x = tokns;": (1, 5, "did you mean 'tokens'"),
    "x = sort(tokens);": (1, 5, "takes 2, got 1"),
    "x = shift(tokens, 1, n=2);": (1, 5, "no parameter 'n'"),
    "x = round(1, 2, 3);": (1, 5, "takes 1 to 2"),
    "x = sqrt(x=1);": (1, 10, "unexpected argument"),
    "x = aggregate(tokens, tokens);": (1, 5, "must be a selector, got a sequence"),
    "x = aggregate(full_s, full_s);": (1, 5, "must be a sequence, got a selector"),
    "x = aggregate(full_s, 1, indices);": (1, 5, "must be a constant"),
    'x = aggregate(full_s, 1, reduce="median");': (1, 5, "mean, sum, min or max"),
    "x = aggregate(full_s);": (1, 5, "does not fit aggregate"),
    'x = best(full_s, "nearest");': (1, 5, "leftmost, rightmost, closest"),
    'x = best(full_s, "largest");': (1, 5, "needs a score"),
    "x = selector_width(tokens);": (1, 5, "must be a selector"),
    "x = select(tokens, tokens);": (1, 5, "select takes keys, queries and a comparison"),
    "x = select(full_s, tokens, ==);": (1, 5, "must be a sequence"),
    "x = select(tokens, tokens, key == indices);": (1, 32, "name the sequence as a key or query"),
    "x = f(==);": (1, 5, "unknown name"),
    "x = sqrt(==);": (1, 10, "last argument of select"),
    "x = full_s + 1;": (1, 12, "does not apply to selectors"),
    "x = full_s and tokens;": (1, 12, "two selectors or two sequences"),
    "x = -full_s;": (1, 5, "got a selector"),
    "x = tokens if full_s else 1;": (1, 15, "a condition is a sequence or a value"),
    "x = [1] + tokens;": (1, 9, "got a list"),
    "x = 1 < indices < 3;": (1, 17, "comparisons do not chain"),
    "x = 1 / 0;": (1, 7, "division by zero"),
    'x = "a" - 1;': (1, 9, "is not a number"),
    "x = [1, 2][2];": (1, 5, "out of range"),
    'x = {"abc": 1}["abd"];': (1, 5, "did you mean 'abc'"),
    "x = {[1]: 2};": (1, 5, "a dict key is"),
    "x = {1: tokens}[indices];": (1, 5, "it holds a sequence"),
    "x = {(1, 2): 3}[indices];": (1, 5, "indexed by 1"),
    'x = tokens["a"];': (1, 5, "must be a whole number"),
    "x = 3[0];": (1, 5, "can be indexed"),
    "x = 3(1);": (1, 5, "cannot be called"),
    'x = tokens("abc") + 1;': (1, 19, "can only be shown"),
    'x = tokens("abc");': (1, 1, "cannot assign"),
    "a, b = [1, 2, 3];": (1, 1, "expected 2 values, got 3"),
    "a, b = tokens;": (1, 1, "expected 2 values, got a sequence"),
    "for a, b in [1] { x = a; }": (1, 1, "2 names for the value 1"),
    "for a in tokens { x = a; }": (1, 1, "goes through a list or a dict"),
    "x = zip([1], [1, 2]);": (1, 5, "lists of one length"),
    "x = range(1, 2, 0);": (1, 5, "must not be 0"),
    "x = range(10 ^ 12);": (1, 5, "too long"),
    "x = readout(1, [0]);": (1, 5, "labels of a readout are a list"),
    'x = readout(["a"], [0], tokens);': (1, 5, "pairs of a sequence and its weights"),
    'x = readout(["a"], ["b"]);': (1, 5, "scores of a readout are a list of numbers"),
    'x = readout(["a"], [0], full_s, [1]);': (1, 5, "a term of a readout must be a sequence"),
    'x = readout(["a"], [0], tokens, {(1, 2): [1]});': (1, 5, "one value a row"),
    'x = readout(["a", "a"], [0, 1]);': (1, 5, "listed once each"),
    'x = readout(["a", "b"], [0, 1], tokens, [1]);': (1, 5, "1 scores does not fit 2 labels"),
    "x = range(1.5);": (1, 5, "must be a whole number"),
    "indices = 3;": (1, 1, "part of the language"),
    "x = map(1 where y = 2, y = 3);": (1, 24, "bound twice"),
    "x = map(1);": (1, 5, "reads no sequence"),
    "x = full_s;": (1, 1, "computes no sequence"),
    "": (1, 1, "computes no sequence"),
    "x = max([]);": (1, 5, "empty list"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_every_fault_shows_its_place(text):
    """Line, column, caret and what would work."""
    line, column, said = FAULTS[text]
    with pytest.raises(ParseError) as caught:
        parse(text)
    error = caught.value
    assert said in error.message
    assert (error.line, error.column) == (line, column)
    if text:
        assert str(error).endswith("^")


ENDLESS = {
    "def f(x) { return f(x); } y = f(1);": "calls itself|nested",
    "def f(x) { return 1 + (f(x) + 1); } y = f(1);": "calls itself|nested",
    "for i in range(1000) { for j in range(1000) { x = i; } }": "steps",
    's = "a"; for i in range(100) { s = s + s; }': "too long",
    "s = 2; for i in range(100) { s = s * s; }": "too large",
    "x = 10 ^ 10 ^ 10;": "too large a power",
    "x = [1]; for i in range(100) { x = x + x; }": "too long|steps",
    "x = [1]; for i in range(100) { x = [x, x]; }": "computes no sequence",
    "x = " + "9" * 5000 + ";": "too long",
    "x = " + "(1 + " * 5000 + "1" + ")" * 5000 + ";": "nested more than",
    "x = map(indices" + " + 1" * 200 + ");": "formula is larger",
    "def f(x) { return x + x; } x = select(1, 1, " + "f(" * 20 + "key" + ")" * 20 + ");": "formula is larger",
    "x = " + "-" * 5000 + "indices;": "nested more than",
    "x = " + "[" * 5000: "ends too early",
    "x = " + "not " * 5000 + "indices;": "nested more than",
    "for i in [1] {" * 500 + "}" * 500: "nested more than",
    "x = " + "f(" * 500 + ")" * 500 + ";": "nested more than",
    "x = 1e999;": "too large",
}


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_what_has_no_end_is_refused(text):
    """No text takes the interpreter with it."""
    with pytest.raises(ParseError, match=ENDLESS[text]):
        parse(text)


VOCABULARY = (
    'x y = ; , ( ) [ ] { } : + - * / // % ^ == != < in not and or if else for def return load where 1 2.5 "a" tokens'
    " indices length full_s select aggregate sort map max range zip len key query undefined True best const d f i # \n".split(
        " "
    )
)
WORDS = st.sampled_from(VOCABULARY)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=40).map(" ".join)))
def test_any_text_is_a_program_or_a_parse_error(text):
    """Fuzzed text never raises anything untyped."""
    try:
        parse(text)
    except JaniformError as e:
        assert isinstance(e, ParseError)


MUTANTS = (GOLDEN / "paper.rasp").read_text(encoding="utf-8").split(" ")


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, len(MUTANTS) - 1), st.sampled_from([*MUTANTS, *VOCABULARY])), max_size=4
    )
)
def test_a_damaged_program_is_a_program_or_a_parse_error(changes):
    """A few words of a real program changed."""
    words = list(MUTANTS)
    for place, word in changes:
        words[place] = word
    try:
        parse(" ".join(words))
    except JaniformError as e:
        assert isinstance(e, ParseError) and e.line
