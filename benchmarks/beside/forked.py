"""Run a function in a forked process, with a limit on its CPU seconds: a fresh start that costs no import."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

from beside.limit import OVER, limit_cpu

Answer = dict[str, Any]


def forked(function: Callable[..., Answer], *args: Any, limit: float) -> Answer:
    """Return what ``function(*args)`` returns, ``{"limit": seconds}`` past the limit, or ``{"failed": why}``.

    >>> forked(lambda n: {"square": n * n}, 3, limit=5)
    {'square': 9}
    """
    fork = multiprocessing.get_context("fork")
    receive, send = fork.Pipe(duplex=False)
    child = fork.Process(target=_answer, args=(send, function, args, limit))
    child.start()
    send.close()
    try:
        return receive.recv() if receive.poll(4 * limit + 60) else {"limit": limit}
    except EOFError:
        child.join()
        return {"limit": limit} if child.exitcode == OVER else {"failed": f"exit status {child.exitcode}"}
    finally:
        child.kill()
        child.join()


def _answer(send: Any, function: Callable[..., Answer], args: tuple[Any, ...], limit: float) -> None:
    limit_cpu(limit)
    try:
        answer = function(*args)
    except Exception as e:  # a fault is a row of the table, not the end of a long run
        answer = {"failed": f"{type(e).__name__}: {e}".splitlines()[0][:200]}
    send.send(answer)
    send.close()
