"""Ask Tracr, which lives in an environment of its own: one process a question, one thread, a limit on its CPU seconds.

Answers that are no times are the same on every run: they are kept in a file, so a long run resumes where it stopped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from beside.limit import OVER

WORKER = Path(__file__).with_name("tracr_worker.py")
KEPT = Path("out/benchmarks/tracr.json")
Answer = dict[str, Any]


def child(command: list[str], request: Answer, limit: float) -> Answer:
    """Run a process that reads a request and writes an answer.

    The answer is ``{"limit": seconds}`` when it takes more CPU seconds than that, ``{"failed": why}`` when it ends badly.
    """

    try:
        done = subprocess.run(
            command,
            input=json.dumps({"limit": limit, **request}),
            capture_output=True,
            text=True,
            timeout=4 * limit + 60,
        )
    except subprocess.TimeoutExpired:
        return {"limit": limit}
    if done.returncode == OVER:
        return {"limit": limit}
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout)


class Tracr:
    """Tracr under the Python at ``python``; nothing is asked where that is None.

    >>> Tracr(None).ask("size", case="hist", vocab=[0, 1], n=5) is None
    True
    """

    def __init__(self, python: str | None) -> None:
        self.python = python
        if python is None:
            print(
                "Tracr's columns are left out: name a Python that has it with --tracr-python (benchmarks/README.md)",
                file=sys.stderr,
            )

    def ask(self, action: str, *, limit: float = 120, keep: bool = False, **request: Any) -> Answer | None:
        """Return the worker's answer, ``{"limit": ...}``, ``{"failed": ...}`` with Tracr's words, or None."""
        if self.python is None:
            return None
        question = {"action": action, **request}
        key = json.dumps({"limit": limit, **question})
        known = json.loads(KEPT.read_text()) if keep and KEPT.exists() else {}
        if key in known:
            return known[key]
        answer = child([self.python, str(WORKER)], question, limit)
        if keep:
            known[key] = answer
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            fresh = KEPT.with_suffix(".new")
            fresh.write_text(json.dumps(known))
            fresh.replace(KEPT)
        return answer
