"""Every place an executor can be opened in runs the same pieces to the same end."""

import subprocess
import sys
import time
from concurrent.futures import wait

import pieces
import pytest

from janiform.errors import InputError
from janiform.train import open_executor

PLACES = ["serial", "processes:2", "dask", "slurm-local"]


def opened(where, tmp_path):
    """Open ``where``, or skip when what it needs is not installed."""
    if where.startswith("dask"):
        pytest.importorskip("distributed", reason="distributed is not installed")
    if where.startswith("slurm"):
        pytest.importorskip("submitit", reason="submitit is not installed")
    workers = None if ":" in where else 2
    return open_executor(where, workers, logs=tmp_path / "jobs")


@pytest.mark.parametrize("where", PLACES)
def test_every_place_gives_results_and_exceptions(where, tmp_path):
    """A future holds what the call returned, or an exception that tells what was raised."""
    with opened(where, tmp_path) as executor:
        futures = [executor.submit(pow, 2, n) for n in range(4)]
        bad = executor.submit(divmod, 1, 0)
        assert [future.result(60) for future in futures] == [1, 2, 4, 8]
        assert "ZeroDivisionError" in repr(bad.exception(60))


@pytest.mark.parametrize("where", PLACES)
def test_leaving_the_block_waits_for_what_was_submitted(where, tmp_path):
    """Whatever was handed in is done after the block."""
    log = tmp_path / "log"
    with opened(where, tmp_path) as executor:
        futures = [
            executor.submit(pieces.slow_square, s) for s in pieces.slow_settings(log, count=3, rest=0.1)
        ]
    assert all(future.done() for future in futures)
    assert log.read_text().count("end") == 3


@pytest.mark.parametrize("where", ["processes:2", "slurm-local"])
def test_leaving_the_block_by_an_exception_stops_what_runs(where, tmp_path):
    """Nobody waits for a piece whose result nobody will read, and it does not go on by itself."""
    log = tmp_path / "log"
    with pytest.raises(KeyboardInterrupt):
        with opened(where, tmp_path) as executor:
            futures = [
                executor.submit(pieces.slow_square, s) for s in pieces.slow_settings(log, count=3, rest=5)
            ]
            pieces.until(lambda: log.exists() and log.read_text().count("begin") == 2)
            start = time.monotonic()
            raise KeyboardInterrupt
    assert time.monotonic() - start < 3
    assert not wait(futures, timeout=3).not_done
    time.sleep(max(0.0, 5.5 - (time.monotonic() - start)))
    assert "end" not in log.read_text() and log.read_text().count("begin") == 2


def test_a_job_that_waits_can_be_cancelled(tmp_path):
    """At most ``workers`` jobs run at once, and one that has not begun is cancelled without a trace."""
    pytest.importorskip("submitit", reason="submitit is not installed")
    log = tmp_path / "log"
    first, second, third = pieces.slow_settings(log, count=3, rest=0.5)
    with open_executor("slurm-local", 1, logs=tmp_path / "jobs") as executor:
        running = executor.submit(pieces.slow_square, first)
        pieces.until(log.exists)
        assert executor.submit(pieces.slow_square, second).cancel()
        assert executor.submit(pieces.slow_square, third).result(60) == {"square": 4}
        assert running.result() == {"square": 0}
    assert [line.split()[:2] for line in log.read_text().splitlines()] == [
        ["begin", "0"],
        ["end", "0"],
        ["begin", "2"],
        ["end", "2"],
    ]


def test_worker_processes_use_one_thread_each():
    """Workers share the cores; a piece that reads torch has one thread."""
    with open_executor("processes:1") as executor:
        assert executor.submit(pieces.threads, {}).result() == {"threads": 1}


def test_a_scheduler_is_reached_by_its_address():
    """``dask:tcp://...`` runs pieces in the workers of that scheduler, which lives on."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().strip()
        for n in (3, 4):
            with open_executor(f"dask:{address}") as executor:
                assert executor.submit(pow, n, 2).result(60) == n * n
        with pytest.raises(InputError, match="has its own workers"):
            open_executor(f"dask:{address}", 2).__enter__()
    finally:
        process.stdin.close()
        process.wait(30)


SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=':0', processes=False, protocol="tcp") as c:
        print(c.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("where", "workers", "message"),
    [
        ("threads", None, "what would work"),
        ("", None, "what would work"),
        ("serial:2", None, "what would work"),
        ("processes:", None, "what would work"),
        ("processes:many", None, "processes:4"),
        ("processes:0", None, "processes:4"),
        ("processes:2", 3, "disagree"),
        ("processes", 0, "1 or more"),
    ],
)
def test_a_word_that_names_no_place_is_refused(where, workers, message):
    """The error says what would work."""
    with pytest.raises(InputError, match=message):
        open_executor(where, workers).__enter__()


@pytest.mark.parametrize(
    ("where", "message"),
    [("slurm", "srun"), ("slurm-local:partition", "key=value"), ("slurm-local:parttion=gpu", "parttion")],
)
def test_slurm_says_what_is_wrong(where, message, tmp_path):
    """No SLURM here, no value, no such key."""
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
    if where == "slurm" and submitit.AutoExecutor.which() == "slurm":
        pytest.skip("SLURM is here")
    with pytest.raises(InputError, match=message):
        open_executor(where, logs=tmp_path).__enter__()


def test_no_scheduler_at_an_address_is_said():
    """An address that is none is an error about the address."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    with pytest.raises(InputError, match="nonsense"):
        open_executor("dask:nonsense").__enter__()


@pytest.mark.parametrize(("where", "package"), [("dask", "distributed"), ("slurm", "submitit")])
def test_a_missing_package_names_its_extra(where, package):
    """Without the package the error names the extra to install."""
    script = (
        f"import sys; sys.modules['{package}'] = None\n"
        "from janiform.errors import InputError\nfrom janiform.train import open_executor\n"
        f"try: open_executor('{where}').__enter__()\nexcept InputError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert f"janiform[{where}]" in run.stdout
