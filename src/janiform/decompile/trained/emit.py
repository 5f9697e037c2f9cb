"""A decompilation as files: the program as RASP and as Python with a test beside it, the evidence, and a page to read.

``program.py`` and ``test_program.py`` need nothing but Python. The test holds answers of the *model*; inputs on which model and
program are known to differ are listed there as such.
"""

from __future__ import annotations

import json
from pathlib import Path
from pprint import pformat
from textwrap import indent
from typing import Any

import numpy as np

from janiform.decompile.trained.back import Back, compiled_back
from janiform.decompile.trained.evidence import agree, draw
from janiform.decompile.trained.lift import lift
from janiform.decompile.trained.listing import listing
from janiform.decompile.trained.observe import interpreted, observe
from janiform.decompile.trained.pipeline import Decompiled
from janiform.decompile.trained.report import report, shaped
from janiform.decompile.trained.synthesis import output_name
from janiform.decompile.trained.verify import answers
from janiform.errors import FileError
from janiform.files import write_whole
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler
from janiform.text.standalone import to_python
from janiform.train.log import plain

CASES, LONGEST = 24, 30
"""How many inputs the test holds, and the most symbols of one."""

OF_PROGRAM = ("program.rasp", "program.py", "test_program.py", "pair.safetensors")
"""The files that only a program has."""

Case = tuple[str, list[str | None]]
"""An input, and the answer at each position where one is asked: the tokens that may come next, or the next one."""

TEST = '''"""What a transformer answers on drawn inputs of {task}, and that program.py beside this file answers the same.

Run it by pytest, or as it is: python test_program.py
"""

import runpy
from pathlib import Path

program = runpy.run_path(str(Path(__file__).with_name("program.py")))["program"]

{outputs}CASES = [
{cases}]
"""Inputs, and the model's answer at each position that is asked."""

{different}
def answers(tokens, asked):
    """What the program says, where it is asked."""
    found = program(tokens)
    {said}
    return [None if wanted is None else answer for answer, wanted in zip(said, asked)]


def test_the_program_says_what_the_model_says():
    for text, wanted in CASES:
        assert answers(text.split(), wanted) == wanted, text


{differs}if __name__ == "__main__":
    test_the_program_says_what_the_model_says()
    print(f"the same on {{len(CASES)}} inputs")
'''

OUTPUTS = '''OUTPUTS = {outputs}
"""Which token each output is about."""

'''
DIFFERENT = '''DIFFERENT = [
{cases}]
"""Inputs on which the program is known to say something else than the model does here."""

'''
DIFFERS = """def test_where_both_are_known_to_differ():
    for text, wanted in DIFFERENT:
        assert answers(text.split(), wanted) != wanted, text


"""
SETS = 'said = [" ".join(OUTPUTS[name] for name in OUTPUTS if found[name][i]) for i in range(len(tokens))]'


def write(found: Decompiled, model: Transformer, sampler: Sampler, out: Path) -> dict[str, Any]:
    """Write a decompilation to a folder, and return what ``result.json`` holds.

    >>> import tempfile
    >>> from janiform.decompile.trained.pipeline import Settings, decompile
    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> model, task, out = load_trained("tomita2-1l1h16"), sampler("tomita2"), Path(tempfile.mkdtemp())
    >>> write(decompile(model, task, Settings(inputs=20)), model, task, out)["compiled"]["equal"]
    True
    >>> sorted(path.name for path in out.iterdir())
    ['ledger.json', 'listing.txt', 'pair.safetensors', 'program.py', 'program.rasp', 'report.html', 'result.json', 'test_program.py']
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileError(f"{out} is a file; a decompilation is written to a folder") from None
    for name in OF_PROGRAM:
        (out / name).unlink(missing_ok=True)  # of an earlier run, of another model maybe
    python, back = "", None
    if found.program is not None:
        python, back = written(found.program, model, sampler), compiled_back(found.program, sampler)
        write_whole(out / "program.rasp", str(found.program))
        write_whole(out / "program.py", as_module(python, found.program, model, sampler))
        write_whole(out / "test_program.py", as_test(found.program, model, sampler))
        if back.pair is not None and back.equal:
            back.pair.save(out / "pair.safetensors")
    write_whole(out / "listing.txt", (found.listing or listing(lift(model))) + "\n")
    facts = result(found, model, back)
    write_whole(out / "ledger.json", json.dumps(found.ledger.to_list(), indent=1, default=plain) + "\n")
    write_whole(out / "result.json", json.dumps(facts, indent=1, default=plain) + "\n")
    write_whole(out / "report.html", report(found, model, sampler, python, back))
    return facts


def result(found: Decompiled, model: Transformer, back: Back | None) -> dict[str, Any]:
    """Everything that was found, as plain data."""
    shape = model.config
    sizes = {"layers": shape.n_layers, "heads": shape.n_heads, "width": shape.d_model}
    return {"task": found.task, "model": sizes} | found.facts() | {"compiled": back and back.facts()}


def written(program: Program, model: Transformer, sampler: Sampler) -> str:
    """A program as one Python function, for inputs as long as its model takes."""
    signature = Signature(sampler.vocab[:-1], model.config.n_ctx, causal=True)
    return to_python(program, "program", signature=signature).strip() + "\n"


def as_module(python: str, program: Program, model: Transformer, sampler: Sampler) -> str:
    """The function with what it takes and gives, and a way to run it."""
    first = " ".join([sampler.vocab[sampler.bos], *sampler.symbols[:3]])
    gives = (
        f"whether each token may come next, as {list(program.outputs)}"
        if sampler.legal
        else "the token that comes next"
    )
    says = (
        f'"""What a transformer ({shaped(model)}) that was trained on {sampler.name} does.\n\n'
        f"``program(tokens)`` takes a list of tokens, {first!r}.split() for one, and gives for each position\n{gives}.\n\n"
        f'As a command: python program.py {first!r}\n"""\n\n\n'
    )
    run = '\n\nif __name__ == "__main__":\n    import sys\n\n    print(program(" ".join(sys.argv[1:]).split()))\n'
    return says + python + run


def as_test(program: Program, model: Transformer, sampler: Sampler, seed: int = 2) -> str:
    """A test of the program by what the model says."""
    batch = draw(model, sampler, np.random.default_rng(seed), CASES, longest=LONGEST, short=CASES // 4)
    said: Any = observe(model, sampler, batch, offsets=False).said
    mine = answers(interpreted(sampler, batch), program, sampler)
    same = np.flatnonzero(agree(mine, said, batch.asked).all(1))
    cases: tuple[list[Case], list[Case]] = [], []
    for row in np.sort(np.unique(batch.tokens, axis=0, return_index=True)[1]):
        tokens, asked = batch.tokens[row], batch.asked[row]
        n = int((tokens != sampler.pad).sum())
        spoken = [in_tokens(sampler, said[row][i]) if asked[i] else None for i in range(n)]
        text = " ".join(sampler.vocab[t] for t in tokens[:n])
        cases[0 if row in same else 1].append((text, spoken))
    outputs = {output_name(sampler, code): sampler.vocab[code] for code in _legal_codes(sampler)}
    return TEST.format(
        task=sampler.name,
        outputs=OUTPUTS.format(outputs=pformat(outputs, width=100, sort_dicts=False))
        if sampler.legal
        else "",
        cases=_listed(cases[0]),
        different=DIFFERENT.format(cases=_listed(cases[1])) if cases[1] else "",
        said=SETS if sampler.legal else "said = found",
        differs=DIFFERS if cases[1] else "",
    )


def in_tokens(sampler: Sampler, said: Any) -> str:
    """An answer as tokens: the tokens of a set, or a token."""
    if sampler.legal:
        return " ".join(sampler.vocab[code] for code in _legal_codes(sampler) if said[code])
    return sampler.vocab[int(said)]


def _legal_codes(sampler: Sampler) -> tuple[int, ...]:
    return (*range(len(sampler.symbols)), sampler.eos)


def _listed(cases: list[Case]) -> str:
    return "".join(indent(pformat(case, width=100, compact=True), "    ") + ",\n" for case in cases)


__all__ = ["write"]
