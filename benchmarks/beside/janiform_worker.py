"""Measure Janiform the way tracr_worker measures Tracr: a request on standard input, an answer on standard output."""

import json
import sys
import time

from limit import limit_cpu


def cpu(start: float = 0.0) -> float:
    return time.process_time() - start


def compile_time(text: str, small: str, vocab: list, n: int, repeats: int = 3) -> dict:
    """Time the first way from text to a pair in this process, and the fastest of the following ones.

    One small program is compiled before, so that the start of Python's modules counts for nobody.
    """
    import torch

    import janiform as jf

    torch.set_num_threads(1)
    imported = cpu()
    jf.parse(small).compile([0, 1], 3)
    warmed = cpu()
    start = cpu()
    jf.parse(text).compile(vocab, n)
    first, again = cpu(start), []
    for _ in range(repeats):
        start = cpu()
        jf.parse(text).compile(vocab, n)
        again.append(cpu(start))
    return {"import": imported, "start": warmed - imported, "first": first, "again": min(again, default=None)}


def main() -> None:
    request = json.load(sys.stdin)
    limit_cpu(request.pop("limit"))
    assert request.pop("action") == "compile"
    try:
        answer = compile_time(**request)
    except Exception as e:  # a fault is a row of the table
        answer = {"failed": f"{type(e).__name__}: {e}".splitlines()[0][:200]}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
