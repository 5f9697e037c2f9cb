"""Claims on what is written: it runs alone, holds what the model said, and reads as what was found."""

import ast
import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from known import shipped, task_of, untrained

from janiform.decompile.trained.emit import OF_PROGRAM, write, written
from janiform.decompile.trained.heatmap import beside, example, heatmap
from janiform.decompile.trained.lift import lift
from janiform.decompile.trained.listing import listing
from janiform.decompile.trained.pipeline import Settings, decompile
from janiform.decompile.trained.report import table
from janiform.errors import FileError
from janiform.model.checkpoints import load_trained, names
from janiform.pair import Pair
from janiform.tasks import sampler
from janiform.text.rasp import parse


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a shipped model's decompilation is, written once."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = tmp_path_factory.mktemp(name)
            write(shipped(name), load_trained(name), sampler(task_of(name)), known[name])
        return known[name]

    return of


def alone(*words, cwd):
    """Run Python in a fresh process that sees nothing of this project."""
    return subprocess.run(
        [sys.executable, "-I", "-S", *words], capture_output=True, text=True, cwd=cwd, env={}, timeout=60
    )


@pytest.mark.parametrize("name", names())
def test_program_and_test_run_alone(name, folder, tmp_path):
    """The test passes in a process without any package, from any folder."""
    done = alone(str(folder(name) / "test_program.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the same on ")
    modules = {
        alias.name
        for n in ast.walk(ast.parse((folder(name) / "program.py").read_text("utf-8")))
        if isinstance(n, ast.Import | ast.ImportFrom)
        for alias in n.names
    }
    assert modules <= {"math", "sys"}


@pytest.mark.parametrize("name", ["D3-1l1h16", "tomita7-2l1h16", "bin_majority-1l1h16"])
def test_the_python_says_what_the_program_says(name, folder, tmp_path):
    """A fresh process prints what the interpreter computes."""
    task, program = sampler(task_of(name)), shipped(name).program
    for row in task.draw(np.random.default_rng(3), 4, 1, 40).tokens:
        tokens = [task.vocab[t] for t in row if t != task.pad]
        done = alone(str(folder(name) / "program.py"), " ".join(tokens), cwd=tmp_path)
        assert ast.literal_eval(done.stdout) == program(tokens, causal=True), done.stderr


@pytest.mark.parametrize("name", ["D3-1l1h16", "bin_majority-1l1h16"])
def test_the_test_finds_a_wrong_program(name, folder, tmp_path):
    """A program that answers otherwise does not pass what the model said."""
    source = (folder(name) / "program.py").read_text("utf-8")
    changed = source.replace("+ 2", "+ 1") if "+ 2" in source else source.replace("-x", "x")
    assert changed != source
    (tmp_path / "program.py").write_text(changed, "utf-8")
    test = (folder(name) / "test_program.py").read_text("utf-8")
    (tmp_path / "test_program.py").write_text(test, "utf-8")
    assert "AssertionError" in alone("test_program.py", cwd=tmp_path).stderr


@pytest.mark.parametrize("name", names())
def test_programs_are_plain_python(name):
    """Counts and categories are written in Python's own operators: a screenful, with no runtime."""
    text = written(shipped(name).program, load_trained(name), sampler(task_of(name)))
    assert len(text.splitlines()) < 20 and text.startswith("def program(tokens):")


@pytest.mark.parametrize("name", names())
def test_what_was_found_can_be_read_back(name, folder):
    """The text parses to the program, ledger and result are what was found, the pair holds the program, the graph is there."""
    found, out = shipped(name), folder(name)
    assert parse((out / "program.rasp").read_text("utf-8")) == found.program
    assert json.loads((out / "ledger.json").read_text("utf-8")) == json.loads(found.ledger.to_json())
    assert (out / "listing.txt").read_text("utf-8").strip() == listing(lift(load_trained(name)))
    result = json.loads((out / "result.json").read_text("utf-8"))
    assert result | json.loads(json.dumps(found.facts())) == result
    assert result["compiled"]["equal"] and result["compiled"]["checked"] >= 100
    assert Pair.load(out / "pair.safetensors").program == found.program


class Page(HTMLParser):
    """A page's elements that are open, its text, and what it would load."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.loads, self.pictures = [], "", [], 0

    def handle_starttag(self, tag, attrs):
        self.pictures += tag == "svg"
        self.loads += [v for k, v in attrs if k in ("src", "href")] + [tag] * (tag in ("script", "link"))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(path):
    page = Page()
    page.feed(path.read_text("utf-8"))
    assert page.open == []
    return page


@pytest.mark.parametrize("name", names())
def test_the_page_shows_what_was_found_and_needs_nothing(name, folder):
    """Program, heads and steps are on a well-formed page that loads nothing."""
    found, page = shipped(name), read(folder(name) / "report.html")
    assert page.loads == []
    assert str(found.program) in page.text
    for reading in found.extraction.readings:
        assert f"Head {reading.layer}.{reading.head}: overlap {reading.overlap:.3f}" in page.text
    assert all(step.what in page.text for step in found.ledger)
    assert page.pictures >= 2 * len(found.extraction.readings)
    assert page.pictures == sum(2 + 2 * (r.overlap < 0.9) for r in found.extraction.readings)


def test_where_no_program_is_found_that_is_written(tmp_path):
    """The page and the result say why; a program of an earlier run does not stay."""
    task, model = sampler("D2"), untrained("D2-1l1h16", seed=1)
    (tmp_path / "program.py").write_text("def program(tokens): ...")
    found = decompile(model, task, Settings(inputs=20))
    facts = write(found, model, task, tmp_path)
    assert not any((tmp_path / name).exists() for name in OF_PROGRAM)
    page = read(tmp_path / "report.html")
    assert "No program was found" in page.text and found.reason in page.text
    assert found.listing in page.text
    assert (tmp_path / "listing.txt").read_text("utf-8").strip() == found.listing
    assert facts["compiled"] is None
    assert "project(op=b)" in found.listing


def test_a_file_is_no_folder(tmp_path):
    """Writing to where a file stands is an error of ours."""
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileError, match="is a file"):
        write(shipped("D2-1l1h16"), load_trained("D2-1l1h16"), sampler("D2"), tmp_path / "out")


def test_what_is_shown_is_escaped():
    """Tokens and texts are text, whatever is in them."""
    assert "<td>&lt;b&gt;&amp;</td>" in table(("a",), [("<b>&",)])
    assert "&lt;bos&gt;" in heatmap(np.ones((1, 1)), ["<bos>"], "navy")


@pytest.mark.parametrize("name", ["D2-1l1h16", "tomita4-2l2h16"])
def test_pictures_show_attention_beside_its_reading(name):
    """Rows of both are shares that sum to 1, and what they have in common is the overlap that is told, or about it."""
    task, found = sampler(task_of(name)), shipped(name)
    seen = example(load_trained(name), task, 0)
    for reading in found.extraction.readings:
        tokens, looks, says = beside(seen, reading)
        assert looks.shape == says.shape == (len(tokens), len(tokens))
        assert looks.sum(1) == pytest.approx(1, abs=1e-5)
        assert set(says.sum(1).round(6)) <= {0, 1}
        assert tokens[0] == "<bos>" and (np.triu(looks, 1) == 0).all()
