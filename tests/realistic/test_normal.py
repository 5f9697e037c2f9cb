"""What the bounds of a normal shape rest on: how a constant pair is normalized, by every way to compute it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from janiform.compile.precision import ALONE, NORM, UNIT

WIDTHS = (1, 2, 5, 10, 20, 63, 64, 100, 200, 1000)


def stream(width: int, dtype: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Coordinates of up to 1 in size, the stream that holds them in pairs behind the constant, and its deviation."""
    kinds = (
        rng.uniform(-1, 1, (50, width)),
        rng.integers(0, 2, (50, width)),
        rng.uniform(-1, 1, (50, width)) * 10.0 ** -rng.integers(0, 6, (50, width)),
        np.sign(rng.normal(size=(50, width))),
    )
    x = np.concatenate(kinds).astype(dtype)
    constant = 2.0 ** np.ceil(np.log2((width + 2) / UNIT[dtype]) / 2)
    y = np.zeros((len(x), 2 * width + 2), dtype)
    y[:, :2], y[:, 2::2], y[:, 3::2] = (constant, -constant), x, -x
    return x.astype(float), y, float(np.sqrt(2 * constant**2 / y.shape[1] + 1e-5))


def fused(y: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """As torch's LayerNorm does it: one pass, means of parts joined (Welford)."""
    t, g = torch.from_numpy(y), torch.from_numpy(gain)
    return F.layer_norm(t, g.shape, g, torch.zeros_like(g), 1e-5).numpy()


def two_passes(y: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """The mean first, then the variance."""
    centered = y - y.mean(-1, keepdims=True)
    return centered / np.sqrt((centered * centered).mean(-1, keepdims=True) + y.dtype.type(1e-5)) * gain


def one_after_another(y: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Sums taken from left to right, as a plain loop does."""
    d = y.dtype.type(y.shape[1])
    centered = y - np.add.accumulate(y, axis=1)[:, -1:] / d
    squares = np.add.accumulate(centered * centered, axis=1)[:, -1:] / d
    return centered / np.sqrt(squares + y.dtype.type(1e-5)) * gain


@pytest.mark.parametrize("normalize", [fused, two_passes, one_after_another])
@pytest.mark.parametrize("dtype", list(UNIT))
def test_what_a_normalization_loses_is_within_its_allowance(normalize, dtype):
    unit, rng = UNIT[dtype], np.random.default_rng(0)
    for width in WIDTHS:
        x, y, deviation = stream(width, dtype, rng)
        out = normalize(y, np.full(y.shape[1], deviation, dtype)).astype(float)
        shared = (out[:, :1] - out[:, 1:2]) / (2.0 * y[:, :1].astype(float))
        assert np.abs(shared - 1).max() <= NORM / 4 * unit
        alone = np.abs((out[:, 2::2] - out[:, 3::2]) / 2 - x * shared)
        assert (alone <= ALONE * unit * np.abs(x) + unit / 8).all()


@pytest.mark.parametrize("dtype", list(UNIT))
def test_where_every_square_is_of_one_size_more_is_lost(dtype):
    """The other way to a constant norm, filling each dimension up, lets the loss grow with the width."""
    rng, unit, width = np.random.default_rng(0), UNIT[dtype], 1000
    x, _, _ = stream(width, dtype, rng)
    x = x.astype(dtype)
    fill = np.sqrt(1 - x * x)
    y = np.concatenate([x, -x, fill, -fill], 1)
    centered = y - np.add.accumulate(y, axis=1)[:, -1:] / y.dtype.type(y.shape[1])
    squares = np.add.accumulate(centered * centered, axis=1)[:, -1] / y.dtype.type(y.shape[1])
    assert np.abs(2 * squares.astype(float) - 1).max() > NORM * unit
