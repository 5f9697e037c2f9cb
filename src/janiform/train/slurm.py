"""SLURM jobs behind the interface of ``concurrent.futures``, by way of submitit.

One thread hands jobs in, at most ``workers`` at a time, and looks after them, since submitit is not made for several
threads. Leaving the block by an exception cancels every job; a job handed in by a process that is killed runs on.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from janiform.errors import InputError

POLL = 0.2
"""Seconds between two looks at the jobs; submitit asks SLURM itself far less often."""


class Jobs(Executor):
    """An executor each of whose pieces is a job of its own."""

    def __init__(self, cluster: Any, workers: int | None) -> None:
        self._cluster, self._workers = cluster, workers
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running: dict[Future[Any], Any] = {}
        self._closed = self._dropped = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    @classmethod
    @contextmanager
    def open(cls, kind: str, keys: dict[str, Any], *, logs: Path, workers: int | None) -> Iterator[Executor]:
        """Open ``slurm`` or ``slurm-local`` with the keys of submitit; those of SLURM alone need no prefix."""
        try:
            import submitit
        except ImportError:
            raise InputError("running on SLURM needs submitit: install the extra janiform[slurm]") from None
        generic = submitit.AutoExecutor._typed_parameters()
        named = {k if k in generic or k.startswith("slurm_") else f"slurm_{k}": v for k, v in keys.items()}
        try:
            cluster = submitit.AutoExecutor(logs, cluster="local" if kind == "slurm-local" else "slurm")
            cluster.update_parameters(**named)
        except (RuntimeError, NameError, TypeError, AssertionError) as error:
            raise InputError(f"{kind} cannot be used here: {error}") from error
        jobs = cls(cluster, workers or (os.cpu_count() if kind == "slurm-local" else None))
        try:
            yield jobs
        except BaseException:
            jobs.drop()
            raise
        finally:
            jobs.shutdown()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue ``fn(*args, **kwargs)`` as a job; an exception in it comes back as submitit's, with the traceback."""
        future: Future[Any] = Future()
        with self._change:
            if self._closed:
                raise RuntimeError("the block of this executor has ended")
            self._waiting.append((future, lambda: self._cluster.submit(fn, *args, **kwargs)))
            self._change.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more pieces; wait for those handed in."""
        with self._change:
            self._closed = True
            if cancel_futures:
                for future, _ in self._waiting:
                    future.cancel()
            self._change.notify()
        if wait:
            self._thread.join()

    def drop(self) -> None:
        """Take no more pieces and cancel every one that has not ended."""
        with self._change:
            self._closed = self._dropped = True
            self._change.notify()

    def _look_after(self) -> None:
        while True:
            with self._change:
                while not (self._closed or self._waiting or self._running):
                    self._change.wait()
                if self._running and not self._dropped:
                    self._change.wait(POLL)
                if self._dropped:
                    break
                if not (self._waiting or self._running):
                    return
                room = len(self._waiting) if self._workers is None else self._workers - len(self._running)
                new = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            for future, start in new:
                if future.set_running_or_notify_cancel():
                    self._start(future, start)
            for future in [f for f, job in self._running.items() if job.done()]:
                settle(future, self._running.pop(future))
        for future, _ in self._waiting:
            future.cancel()
            future.set_running_or_notify_cancel()  # wakes those who wait for it
        for future, job in self._running.items():
            job.cancel(check=False)
            future.set_exception(RuntimeError(f"job {job.job_id} was cancelled"))

    def _start(self, future: Future[Any], start: Callable[[], Any]) -> None:
        try:
            self._running[future] = start()
        except Exception as error:
            future.set_exception(error)


def settle(future: Future[Any], job: Any) -> None:
    """Give a future what its job came to."""
    try:
        future.set_result(job.result())
    except Exception as error:
        future.set_exception(error)
