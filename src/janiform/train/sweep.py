"""Runs one function over many settings, wherever the executor seam puts them, and never one of them twice.

Invariant: a finished run is a shard named by its settings, written by the process that did the run, and a setting
whose shard is there is skipped. So a sweep can be killed, called again, extended, and shared between machines with
a common folder, in any order. What is no longer wanted is deleted by hand.
"""

from __future__ import annotations

import json
import pickle
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from janiform.errors import InputError, JaniformError
from janiform.train.executor import open_executor
from janiform.train.log import plain
from janiform.train.progress import progress as bar
from janiform.train.shards import Run, Settings, Shards, canonical, name_of

Piece = Callable[[Settings], Mapping[str, Any]]
REFRESH = 1.0
"""Seconds between two updates of table and bar."""
SHOWN = 5
"""How many failures an error lists."""


def sweep(
    piece: Piece,
    settings: Iterable[Mapping[str, Any]],
    folder: str | Path,
    *,
    executor: str = "processes",
    workers: int | None = None,
    progress: bool = True,
) -> list[Run]:
    """Call ``piece`` on each of ``settings`` and return the runs in that order, as kept in ``folder``.

    >>> import tempfile
    >>> def square(settings):
    ...     return {"square": settings["n"] ** 2}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs = sweep(square, [{"n": 3}, {"n": 4}], folder, executor="serial")
    >>> [run["result"] for run in runs]
    [{'square': 9}, {'square': 16}]

    A run is ``{"settings", "result", "seconds"}``; settings and result are dicts that JSON can hold. One folder is for
    one piece. A piece that raises leaves its traceback beside the shards, the others go on, and at the end a
    ``JaniformError`` names those that failed; the next call tries them again. With ``progress``, a terminal shows a
    bar with the time left.
    """
    ordered = [(name_of(s), json.loads(json.dumps(s))) for s in settings]
    chosen = dict(ordered)
    shards = Shards(Path(folder).absolute())
    shards.runs.mkdir(parents=True, exist_ok=True)
    done = shards.read_all()
    failed: dict[str, Run] = {}
    missing = {key: one for key, one in chosen.items() if key not in done}
    if executor.startswith("processes"):
        require_picklable(piece)
    written = 0.0
    try:
        with (
            bar("sweeping") if progress else nullcontext(lambda done, total: None) as tick,
            closing(run_all(piece, missing, shards, executor, workers)) as rounds,
        ):
            for landed in rounds:
                for key, run in landed:
                    shards.keep(key, run)
                    (failed if "error" in run else done)[key] = run
                left = missing.keys() - done.keys() - failed.keys()
                tick(len(chosen) - len(left), len(chosen))
                if landed and time.monotonic() - written > REFRESH:
                    shards.write_table(in_order(done, chosen))
                    written = time.monotonic()
    finally:
        # A worker may have kept a run of which an interrupt kept the news away.
        done = shards.read_all() | done
        shards.write_table(in_order(done, chosen))
    if failed:
        raise JaniformError(complaint(failed, chosen, shards))
    return [done[key] for key, _ in ordered]


def run_all(
    piece: Piece, missing: Mapping[str, Settings], shards: Shards, executor: str, workers: int | None
) -> Generator[list[tuple[str, Run]], None, None]:
    """Hand in every run and yield the names and outcomes of those that ended, at least once a second an empty list."""
    if not missing:
        return
    with open_executor(executor, workers, logs=shards.folder / "jobs") as pool:
        pending: dict[Future[Run], str] = {}
        for key, one in missing.items():
            future = pool.submit(attempt, piece, one, str(shards.folder))
            if future.done():
                yield [(key, outcome(future, one))]
            else:
                pending[future] = key
        while pending:
            ended = wait(pending, timeout=REFRESH, return_when=FIRST_COMPLETED).done
            keys = [(pending.pop(future), future) for future in ended]
            yield [(key, outcome(future, missing[key])) for key, future in keys]


def attempt(piece: Piece, settings: Settings, folder: str) -> Run:
    """Do one run where the executor put it, and keep its shard if the folder is to be seen from there.

    A run that raises gives ``{"settings", "error"}``: text, since not every exception survives the way back.
    """
    shards, key = Shards(Path(folder)), name_of(settings)
    kept = shards.read(key)
    if kept is not None:
        return kept
    start = time.perf_counter()
    try:
        result = piece(json.loads(json.dumps(settings)))
        if not isinstance(result, Mapping):
            raise TypeError(
                f"a piece returns a dict, such as {{'accuracy': 0.9}}, and this one returned {result!r}"
            )
        run = {"settings": settings, "result": dict(result), "seconds": time.perf_counter() - start}
        run = json.loads(json.dumps(run, default=plain))
    except Exception:
        return {"settings": settings, "error": traceback.format_exc()}
    if shards.runs.is_dir():
        shards.keep(key, run)
    return run


def outcome(future: Future[Run], settings: Settings) -> Run:
    """What became of a run; where the executor itself has failed, nothing more can be asked of it."""
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise JaniformError(
            f"a worker ended while the run {canonical(settings)} was waiting for it: killed, out of memory, or started "
            'by a script that does not guard its work with `if __name__ == "__main__":`. Finished runs are kept; '
            "calling sweep again goes on from there"
        ) from error
    except Exception as error:
        return {"settings": settings, "error": "".join(traceback.format_exception(error))}


def in_order(done: Mapping[str, Run], chosen: Iterable[str]) -> dict[str, Run]:
    """The finished runs, those of this call first and in its order."""
    return {key: done[key] for key in (*chosen, *done) if key in done}


def complaint(failed: Mapping[str, Run], chosen: Mapping[str, Settings], shards: Shards) -> str:
    """Say which runs failed, of what, and where to read more."""
    lines = [
        f"{len(failed)} of {len(chosen)} runs failed; the others are kept, and the next call tries these again:"
    ]
    for key in list(failed)[:SHOWN]:
        last = failed[key]["error"].strip().splitlines()[-1]
        lines.append(f"  {canonical(chosen[key])}: {last} ({shards.error(key)})")
    if len(failed) > SHOWN:
        lines.append(f"  and {len(failed) - SHOWN} more, in {shards.runs}/*.error.txt")
    return "\n".join(lines)


def require_picklable(piece: Piece) -> None:
    """Refuse a piece that a new process cannot import."""
    try:
        pickle.dumps(piece)
    except Exception as error:
        what = f"{piece!r} cannot be handed to another process ({error})"
        raise InputError(f'{what}; use a function at the top of a module, or executor="serial"') from None
