"""A small training that draws random numbers, to be killed and resumed by tests as a process of its own."""

import time
from pathlib import Path

import torch

from janiform.train import Log, load_state, save_state

STEPS = 60
EVERY = 7


def train(folder, rest=0.0):
    """Fit a line by stochastic gradients with momentum; go on from what ``folder`` keeps."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    weights, momentum, step = torch.zeros(3), torch.zeros(3), 0
    if (state := load_state(folder)) is not None:
        tensors, facts = state
        weights, momentum, step = tensors["weights"], tensors["momentum"], facts["step"]
        generator.set_state(tensors["generator"])
    log = Log.open(Path(folder) / "log.jsonl", step)
    while step < STEPS:
        x = torch.randn(3, generator=generator)
        error = x @ weights - x.sum()
        momentum = 0.9 * momentum + error * x
        weights, step = weights - 0.01 * momentum, step + 1
        log.append(step, loss=error**2)
        time.sleep(rest)
        if step % EVERY == 0 or step == STEPS:
            tensors = {"weights": weights, "momentum": momentum, "generator": generator.get_state()}
            save_state(folder, tensors, {"step": step})
    return weights
