"""The read-evaluate-print loop, line by line."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janiform.repl import Repl, run

SESSION = """\
>> x = indices + 1;
     s-op: x
         Example: x("hello") = [1, 2, 3, 4, 5] (ints)
>> s = select(indices, 2, <);
     selector: s
         Example:
                 h e l l o
             h | 1 1 0 0 0
             e | 1 1 0 0 0
             l | 1 1 0 0 0
             l | 1 1 0 0 0
             o | 1 1 0 0 0
>> def f(a,
>>   b) {
>>   return a + b;
>> }
     function: f(a, b)
>> f(x, length);
     s-op: out
         Example: out("hello") = [6, 7, 8, 9, 10] (ints)
>> out * 0;
     s-op: out
         Example: out("hello") = [0]*5 (ints)
>> x("ab");
     = [1, 2] (ints)
>> set example [1, 20]
>> show example
     example: [1, 20]
>> tokens / 3; s;
     s-op: out
         Example: out([1, 20]) = [0.333333, 6.66667] (floats)
     selector: s
         Example:
                   1 20
              1 |  1  1
             20 |  1  1
>> examples off
>> tokens; s;
     s-op: tokens
     selector: s
>> s-op examples on
>> tokens; s;
     s-op: tokens
         Example: tokens([1, 20]) = [1, 20] (ints)
     selector: s
>> y = tokns;
     !! line 1, column 5: unknown name 'tokns'; did you mean 'tokens'?
         y = tokns;
             ^
>> n = 3; l = [n, x, {"a": s}]; n, "b";
     value: n = 3
     list: l = [3, x, {"a": s}]
     value: n = 3
     value: out = "b"
>> for i in [1, 2] { n = n + i; }
>> n;
     value: n = 6
>> aggregate(select(tokens, 1, ==), indices);
     s-op: out
         Example: out([1, 20]) = [0]*2 (ints)
>> aggregate(select(tokens, indices, <), indices);
     s-op: out
         Example: out([1, 20]) = [undefined]*2 (nothing)
>> tokens + "a";
     s-op: out
         Example: out([1, 20]) = no value: map has no meaning on input [1, 20] at position 0: '+' is undefined on (1, 'a'): 'a' is not a number
>> causal on
>> length;
     s-op: length
         Example: length([1, 20]) = [1, 2] (ints)
>> causal off
>> set example "ab"
>> r = aggregate(select(indices, length - indices - 1, ==), tokens);
     s-op: r
         Example: r("ab") = [b, a] (strings)
>> draw(r);
     "ab"
     before attention
     layer 1
         length
             [2]*2 (ints)
         length - indices
             [2, 1] (ints)
         length - indices - 1
             [1, 0] (ints)
         select(indices, length - indices - 1, ==)
             keys    [0, 1] (ints)
             queries [1, 0] (ints)
                 a b
             a | 0 1
             b | 1 0
     layer 2
         aggregate(select(indices, length - indices - 1, ==), tokens)
             [b, a] (strings)
>> text r
r = aggregate(select(indices, length - indices - 1, ==), tokens);
"""


def test_a_session_shows_what_it_should():
    """Each line's answer, as people read it."""
    repl, transcript = Repl(), []
    for line in (line[3:] for line in SESSION.splitlines() if line.startswith(">> ")):
        transcript += [f">> {line}", *repl.feed(line).splitlines()]
    assert [line.rstrip() for line in transcript] == SESSION.splitlines()


def test_faults_leave_the_names_as_they_were():
    """A bad statement changes nothing; a half statement can be given up."""
    repl = Repl()
    repl.feed("x = indices;")
    for line in (
        "x = ;",
        "x = 1 / 0;",
        "x = nothing;",
        "def f( {",
        "]",
        "set example 3",
        "text s",
        "set example (",
        "draw(1);",
    ):
        assert "!!" in repl.feed(line), line
        assert not repl.waiting, line
    assert "[0, 1, 2, 3, 4]" in repl.feed("x;")
    assert repl.feed("x = (1") == "" and repl.waiting
    repl.cancel()
    assert "[0, 1, 2, 3, 4]" in repl.feed("x;")
    assert repl.feed("y = {") == "" and "ends too early" in repl.finish() and not repl.waiting
    assert "functions" in repl.feed("help") and "sort(seq, key)" in repl.feed("functions")
    repl.feed("quit")
    assert repl.done


def test_load_keeps_public_names(tmp_path):
    """Loaded names are listed without examples."""
    (tmp_path / "lib.rasp").write_text("_one = 1; inc = indices + _one; def f(x) { return x; }")
    repl = Repl(tmp_path)
    assert repl.feed('load "lib";') == "     s-op: inc\n     function: f(x)"
    assert "[1, 2, 3, 4, 5]" in repl.feed("f(inc);")
    assert "outside the folder" in repl.feed('load "../lib";')


@pytest.mark.parametrize(
    ("lines", "code"), [("x = tokens;\n", 0), ("x = tokens;\ny = ;\nx;", 1), ("x = (", 1)]
)
def test_lines_from_a_pipe(lines, code, monkeypatch, capsys, tmp_path):
    """A script on standard input: everything is answered, and a fault shows in the exit code."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    assert run(tmp_path) == code
    assert ("!!" in capsys.readouterr().out) == bool(code)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["x = (", ")", ";", "}", "def f(", "quit", "set example", "draw(", "s;"]),
        )
    )
)
def test_no_line_breaks_the_session(lines):
    """Whatever is typed, the session goes on."""
    repl = Repl()
    for line in lines:
        repl.feed(line)
    repl.finish()
    assert "Example" in repl.feed("indices;")
