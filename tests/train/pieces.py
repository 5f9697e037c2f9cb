"""Pieces that other processes import: each appends a line to a log, so that what ran is known afterwards."""

import os
import time
from pathlib import Path

from janiform.train import sweep


def square(settings):
    """Square the seed at once."""
    return {"square": settings["seed"] ** 2}


def pid(settings):
    """Say which process this is."""
    return {"pid": os.getpid()}


def threads(settings):
    """Say how many threads torch would use."""
    import torch

    return {"threads": torch.get_num_threads()}


def slow_square(settings):
    """Square the seed after a rest, and log the beginning and the end with the process."""
    with open(settings["log"], "a") as log:
        log.write(f"begin {settings['seed']} {os.getpid()}\n")
        log.flush()
        time.sleep(settings["rest"])
        log.write(f"end {settings['seed']} {os.getpid()}\n")
    return {"square": settings["seed"] ** 2}


def odd_only(settings):
    """Fail on even seeds as long as the file ``settings["broken"]`` exists."""
    if settings["seed"] % 2 == 0 and Path(settings["broken"]).exists():
        raise ArithmeticError(f"seed {settings['seed']} is even")
    return {"half": settings["seed"] / 2}


class Thorny(Exception):
    """An exception that pickle takes apart but cannot put together again."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def thorny(settings):
    """Raise what cannot be sent to another process."""
    raise Thorny("rose", "thorn")


def vanish(settings):
    """End the worker process itself."""
    os._exit(3)


def slow_settings(log, count=8, rest=0.3):
    """Settings of ``slow_square``."""
    return [{"seed": seed, "log": str(log), "rest": rest} for seed in range(count)]


def main(folder, log, executor):
    """Sweep slowly; started by a test as a process of its own, to be killed."""
    sweep(slow_square, slow_settings(log), folder, executor=executor, workers=2)


def until(condition, seconds=30):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
