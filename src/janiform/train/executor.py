"""One seam for work made of independent pieces: a word says where they run, a ``concurrent.futures`` executor runs them.

The caller submits and waits in the same way in this process, in worker processes, on a Dask cluster and on SLURM.
Invariant: when the block is left by an exception, ctrl-C included, or its process is killed outright, no worker
process of this machine stays behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform.errors import InputError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

FORMS = """\
  serial                     in this process, one after another
  processes, processes:4     in worker processes of this machine
  dask                       in a Dask cluster of this machine
  dask:tcp://host:8786       in the Dask cluster of that scheduler
  slurm, slurm:partition=gpu,timeout_min=60,mem_gb=8
                             as SLURM jobs; the keys are those of submitit
  slurm-local                as submitit's jobs without SLURM, to try things out"""


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed word: its kind and what follows the colon.

    >>> Place.parse("dask:tcp://host:8786")
    Place(kind='dask', rest='tcp://host:8786')
    """

    kind: str
    rest: str = ""

    @classmethod
    def parse(cls, where: str) -> Place:
        """Read a word; one that names no place is an ``InputError`` that lists the forms."""
        kind, colon, rest = where.partition(":")
        known = kind in ("serial", "processes", "dask", "slurm", "slurm-local")
        if not known or bool(colon) != bool(rest) or (kind == "serial" and rest):
            raise InputError(f"no executor is called {where!r}; what would work:\n{FORMS}")
        return cls(kind, rest)


@contextmanager
def open_executor(
    where: str = "processes", workers: int | None = None, *, logs: str | Path = "jobs"
) -> Iterator[Executor]:
    """Open the executor that ``where`` names, and close it at the end of the block.

    >>> with open_executor("serial") as executor:
    ...     executor.submit(max, 3, 5).result()
    5

    ``workers`` bounds how many pieces run at once: by default one for each core, on SLURM as many as it takes. Worker
    processes start afresh and use one thread each, so what is submitted is a function at the top of a module, and a
    script that opens them does so under ``if __name__ == "__main__":``. ``logs`` is where SLURM jobs leave theirs.
    """
    place = Place.parse(where)
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers can do nothing; ask for 1 or more")
    match place.kind:
        case "serial":
            yield Serial()
        case "processes":
            with processes(pool_size(place, workers)) as executor:
                yield executor
        case "dask":
            with dask(place, workers) as executor:
                yield executor
        case _:
            from janiform.train.slurm import Jobs

            with Jobs.open(place.kind, slurm_keys(place), logs=Path(logs), workers=workers) as executor:
                yield executor


class Serial(Executor):
    """Runs a piece in this process when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` now; its exception waits in the future, ctrl-C does not."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Worker processes that live as long as the block does and this process lives.

    They hold the reading end of a pipe of which only this process holds the writing end: it closes when the block is
    left by an exception and when this process dies of whatever cause, and each worker ends itself at that moment.
    """
    # Read here: commands that start no process would pay for it at every start.
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    spawn = get_context("spawn")
    lifeline, hold = spawn.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=begin, initargs=(lifeline,))
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        hold.close()
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        hold.close()
        lifeline.close()


def begin(lifeline: Connection) -> None:
    """Prepare a worker process: one thread for arithmetic, ctrl-C left to the parent, an end with the lifeline."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)

    def end() -> None:
        lifeline.poll(None)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


@contextmanager
def dask(place: Place, workers: int | None) -> Iterator[Executor]:
    """The executor of a Dask client: of the scheduler at an address, or of a cluster started here."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("running on Dask needs distributed: install the extra janiform[dask]") from None
    if place.rest and workers is not None:
        raise InputError(f"the scheduler at {place.rest} has its own workers; leave out workers={workers}")
    try:
        client = (
            Client(place.rest, timeout=10)
            if place.rest
            else Client(n_workers=workers or os.cpu_count(), threads_per_worker=1, dashboard_address=":0")
        )
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {place.rest!r}: {error}") from error
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
            executor.shutdown()
        finally:
            executor.shutdown(wait=False)


def pool_size(place: Place, workers: int | None) -> int:
    """How many processes ``processes:4`` and ``workers`` ask for between them."""
    if not place.rest:
        return workers or os.cpu_count() or 1
    if not place.rest.isdecimal() or not int(place.rest):
        raise InputError(f"processes:{place.rest} does not say how many; write for example processes:4")
    if workers not in (None, int(place.rest)):
        raise InputError(f"processes:{place.rest} and workers={workers} disagree; give one of the two")
    return int(place.rest)


def slurm_keys(place: Place) -> dict[str, Any]:
    """Read ``key=value,...``; numbers, ``true`` and ``false`` are read as such.

    >>> slurm_keys(Place.parse("slurm:partition=gpu,mem_gb=8"))
    {'partition': 'gpu', 'mem_gb': 8}
    """
    keys: dict[str, Any] = {}
    for part in filter(None, place.rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise InputError(
                f"{part!r} is no key=value; write for example slurm:partition=gpu,timeout_min=60"
            )
        try:
            keys[key] = json.loads(value)
        except ValueError:
            keys[key] = value
    return keys
