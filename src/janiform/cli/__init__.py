"""The command line: ``janiform run | compile | check | show | learn | train | generate | warmup | finetune | explain | debug | repl | library | bench``, generated from dataclasses.

Every command prints one answer to standard output, with ``--json`` exactly one JSON object; errors and progress go to
standard error. The exit code is 0 only on success: 1 for a failed check or an error, 2 for a wrong command line, 130
after ctrl-C.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Sequence

import tyro

from janiform import __version__
from janiform.cli.commands import COMMANDS, Answer
from janiform.errors import JaniformError

FAILED, USAGE, INTERRUPTED, NO_READER = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    >>> main(["run", "reverse", "abc", "--json"])
    {"output": "cba"}
    0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words, as_json="--json" in words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except KeyboardInterrupt:
        print("interrupted; nothing was written by halves", file=sys.stderr)
        return INTERRUPTED


def _run(words: list[str], *, as_json: bool) -> int:
    if words == ["--version"]:
        print(f"janiform {__version__}")
        return 0
    if words[:2] == ["decompile", "train"]:
        words = ["decompile-train", *words[2:]]
    try:
        command = tyro.cli(
            COMMANDS,
            args=words,
            prog="janiform",
            description="A program and a transformer are two faces of one object.",
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except SystemExit as usage:
        code = usage.code if isinstance(usage.code, int) else USAGE
        if code and as_json:
            _print_json({"error": "the command line was not understood; see --help", "kind": "usage"})
        return code
    try:
        answer: Answer = command()
    except BrokenPipeError:
        raise
    except (JaniformError, OSError, MemoryError) as error:
        message = str(error) or "not enough memory; make the vocabulary or the maximum length smaller"
        print(f"janiform: {message}", file=sys.stderr)
        if as_json:
            _print_json({"error": message, "kind": type(error).__name__})
        return FAILED
    if as_json:
        _print_json(answer.data)
    elif answer.text:
        print(answer.text)
    return 0 if answer.good else FAILED


def _print_json(data: dict[str, object]) -> None:
    print(json.dumps(_finite(data), allow_nan=False))


def _finite(value: object) -> object:
    """Replace infinities, which JSON cannot write, by null."""
    match value:
        case dict():
            return {name: _finite(v) for name, v in value.items()}
        case list() | tuple():
            return [_finite(v) for v in value]
        case float() if not math.isfinite(value):
            return None
    return value
