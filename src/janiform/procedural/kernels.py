"""What a training step of a tiny transformer is made of: loops over long rows of numbers, compiled by Numba.

An activation is a matrix of features by places; a place is a position of one of a few sequences that go through the network side
by side, position by position: place = position * lanes + lane. So every loop runs over neighbors in memory, attention too: the
scores of all queries with the keys ``back`` positions before them are products of rows, one of them shifted. Every kernel adds to
the gradients that it is given. Import it where Numba is needed only; compiled code is kept for the next process.
"""

from __future__ import annotations

import numba
import numpy as np

ORDERLESS = {"reassoc", "contract", "nsz", "arcp"}
"""Sums may be taken in any order; what is infinite or no number stays so."""
LOWEST = np.float32(-1e30)
ROOT = np.float32(0.7978845608028654)
CUBIC = np.float32(0.044715)
"""GELU in GPT-2's approximation is x times the logistic function of 2 ROOT (x + CUBIC x ** 3)."""


def kernel(signature):  # type: ignore[no-untyped-def]
    """Compile a function for arguments of these types, without waiting for the first call."""
    return numba.njit(signature, cache=True, fastmath=ORDERLESS, error_model="numpy", nogil=True)


@numba.njit(cache=True, fastmath=ORDERLESS, error_model="numpy")
def exp(x):  # type: ignore[no-untyped-def]
    """Approximate e ** x to 1e-7 of it in arithmetic that runs on many numbers at once (Cephes' expf)."""
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@kernel("void(i4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, ::1])")
def embed(tokens, W_E, W_pos, X):  # type: ignore[no-untyped-def]
    """Write the embeddings of tokens (position, lane)."""
    n, lanes = tokens.shape
    for t in range(n):
        for lane in range(lanes):
            for i in range(W_E.shape[1]):
                X[i, t * lanes + lane] = W_E[tokens[t, lane], i] + W_pos[t, i]


@kernel("void(i4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, ::1])")
def embed_back(tokens, dX, dW_E, dW_pos):  # type: ignore[no-untyped-def]
    n, lanes = tokens.shape
    for t in range(n):
        for lane in range(lanes):
            for i in range(dW_E.shape[1]):
                dW_E[tokens[t, lane], i] += dX[i, t * lanes + lane]
                dW_pos[t, i] += dX[i, t * lanes + lane]


@kernel("void(f4[:, :], f4[:, ::1], f4[:, ::1], i8, i8)")
def multiply(W, X, Y, start, stop):  # type: ignore[no-untyped-def]
    """Y += W X at the places from start to before stop; W has a multiple of 2 rows and of 4 columns."""
    size = stop - start
    for o in range(0, len(W), 2):
        y, z = Y[o][start:stop], Y[o + 1][start:stop]
        for i in range(0, W.shape[1], 4):
            v0, v1, v2, v3 = W[o, i], W[o, i + 1], W[o, i + 2], W[o, i + 3]
            w0, w1, w2, w3 = W[o + 1, i], W[o + 1, i + 1], W[o + 1, i + 2], W[o + 1, i + 3]
            a, b = X[i][start:stop], X[i + 1][start:stop]
            c, d = X[i + 2][start:stop], X[i + 3][start:stop]
            for n in range(size):
                y[n] += v0 * a[n] + v1 * b[n] + v2 * c[n] + v3 * d[n]
                z[n] += w0 * a[n] + w1 * b[n] + w2 * c[n] + w3 * d[n]


@kernel("void(f4[:, ::1], f4[:, ::1], i8, i8, f4[:, ::1], f4[::1])")
def multiply_back(X, dY, start, stop, dW, db):  # type: ignore[no-untyped-def]
    """Add the gradients of W, and of a vector that was added to W X; that of X is the product with the transposed W."""
    size = stop - start
    for o in range(0, len(dW), 2):
        y, z = dY[o][start:stop], dY[o + 1][start:stop]
        s = t = np.float32(0)
        for n in range(size):
            s += y[n]
            t += z[n]
        db[o] += s
        db[o + 1] += t
        for i in range(0, dW.shape[1], 4):
            a, b = X[i][start:stop], X[i + 1][start:stop]
            c, d = X[i + 2][start:stop], X[i + 3][start:stop]
            s0 = s1 = s2 = s3 = t0 = t1 = t2 = t3 = np.float32(0)
            for n in range(size):
                s0 += a[n] * y[n]
                s1 += b[n] * y[n]
                s2 += c[n] * y[n]
                s3 += d[n] * y[n]
                t0 += a[n] * z[n]
                t1 += b[n] * z[n]
                t2 += c[n] * z[n]
                t3 += d[n] * z[n]
            dW[o, i] += s0
            dW[o, i + 1] += s1
            dW[o, i + 2] += s2
            dW[o, i + 3] += s3
            dW[o + 1, i] += t0
            dW[o + 1, i + 1] += t1
            dW[o + 1, i + 2] += t2
            dW[o + 1, i + 3] += t3


@kernel("void(f4[:, ::1], f4[::1], f4[::1], f4, i8, i8, f4[:, ::1], f4[::1], f4[:, ::1])")
def norm(X, w, b, eps, start, stop, H, R, Z):  # type: ignore[no-untyped-def]
    """Z = H w + b for H, the features of X less their mean times R, one over their deviation."""
    size, share = stop - start, np.float32(1) / np.float32(w.size)
    mean, spread, r = np.zeros(size, np.float32), np.zeros(size, np.float32), R[start:stop]
    for i in range(w.size):
        x = X[i][start:stop]
        for n in range(size):
            mean[n] += x[n] * share
    for i in range(w.size):
        x, h = X[i][start:stop], H[i][start:stop]
        for n in range(size):
            h[n] = x[n] - mean[n]
        for n in range(size):
            spread[n] += h[n] * h[n]
    for n in range(size):
        r[n] = np.float32(1) / np.sqrt(spread[n] * share + eps)
    for i in range(w.size):
        h, z, gain, shift = H[i][start:stop], Z[i][start:stop], w[i], b[i]
        for n in range(size):
            h[n] *= r[n]
        for n in range(size):
            z[n] = h[n] * gain + shift


@kernel("void(f4[:, ::1], f4[::1], f4[::1], f4[:, ::1], i8, i8, f4[:, ::1], f4[::1], f4[::1])")
def norm_back(H, R, w, dZ, start, stop, dX, dw, db):  # type: ignore[no-untyped-def]
    """Add the gradients of X, w and b."""
    size, share = stop - start, np.float32(1) / np.float32(w.size)
    mean, slope, r = np.zeros(size, np.float32), np.zeros(size, np.float32), R[start:stop]
    for i in range(w.size):
        h, z, gain = H[i][start:stop], dZ[i][start:stop], w[i] * share
        s = t = np.float32(0)
        for n in range(size):
            s += z[n] * h[n]
            t += z[n]
        dw[i] += s
        db[i] += t
        for n in range(size):
            mean[n] += gain * z[n]
        for n in range(size):
            slope[n] += gain * z[n] * h[n]
    for i in range(w.size):
        h, z, x, gain = H[i][start:stop], dZ[i][start:stop], dX[i][start:stop], w[i]
        for n in range(size):
            x[n] += r[n] * (z[n] * gain - mean[n] - h[n] * slope[n])


@kernel("void(f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, :, ::1], f4[:, ::1], f4[:, ::1], i8, i8, i8, f4)")
def attend(Q, K, V, P, S, Y, lanes, first, last, scale):  # type: ignore[no-untyped-def]
    """Causal attention of the positions from first to before last.

    P[head, back] is e to the score of the key ``back`` positions before, up to the factor S[head], which makes a
    distribution of them.
    """
    heads, start, stop = len(P), first * lanes, last * lanes
    size = len(Q) // heads
    for head in range(heads):
        highest = np.full(stop, LOWEST, np.float32)
        total = S[head][:stop]
        total[start:] = 0
        for back in range(last):
            at = max(start, back * lanes)
            p, m, count = P[head, back][at:stop], highest[at:], stop - at
            p[:] = 0
            for c in range(head * size, (head + 1) * size):
                q, k = Q[c][at:stop], K[c][at - back * lanes : stop - back * lanes]
                for n in range(count):
                    p[n] += q[n] * k[n]
            for n in range(count):
                m[n] = max(m[n], p[n])
        for c in range(head * size, (head + 1) * size):
            Y[c][start:stop] = 0
        for back in range(last):
            at = max(start, back * lanes)
            p, m, s, count = P[head, back][at:stop], highest[at:], total[at:], stop - at
            for n in range(count):
                p[n] = exp((p[n] - m[n]) * scale)
            for n in range(count):
                s[n] += p[n]
            for c in range(head * size, (head + 1) * size):
                y, v = Y[c][at:stop], V[c][at - back * lanes : stop - back * lanes]
                for n in range(count):
                    y[n] += p[n] * v[n]
        s = total[start:]
        for n in range(stop - start):
            s[n] = np.float32(1) / s[n]
        for c in range(head * size, (head + 1) * size):
            y = Y[c][start:stop]
            for n in range(stop - start):
                y[n] *= s[n]


@kernel(
    "void(f4[:, ::1], f4[:, ::1], f4[:, ::1], f4[:, :, ::1], f4[:, ::1], f4[:, ::1], f4[:, ::1], "
    "f4[:, ::1], f4[:, ::1], f4[:, ::1], i8, i8, i8, f4)"
)
def attend_back(Q, K, V, P, S, Y, dY, dQ, dK, dV, lanes, first, last, scale):  # type: ignore[no-untyped-def]
    """Write the gradients of Q, K and V; P becomes the distribution."""
    heads, start, stop = len(P), first * lanes, last * lanes
    size = len(Q) // heads
    dQ[:, start:stop] = 0
    dK[:, :stop] = 0
    dV[:, :stop] = 0
    along, slope = np.empty(stop, np.float32), np.empty(stop, np.float32)
    for head in range(heads):
        along[:] = 0
        for c in range(head * size, (head + 1) * size):
            y, g, a = Y[c][start:stop], dY[c][start:stop], along[start:]
            for n in range(stop - start):
                a[n] += y[n] * g[n]
        for back in range(last):
            at = max(start, back * lanes)
            p, s, a, e, count = P[head, back][at:stop], S[head][at:stop], along[at:], slope[at:], stop - at
            e[:] = 0
            for n in range(count):
                p[n] *= s[n]
            for c in range(head * size, (head + 1) * size):
                g, v = dY[c][at:stop], V[c][at - back * lanes : stop - back * lanes]
                for n in range(count):
                    e[n] += g[n] * v[n]
            for n in range(count):
                e[n] = (e[n] - a[n]) * p[n] * scale
            for c in range(head * size, (head + 1) * size):
                behind = slice(at - back * lanes, stop - back * lanes)
                g, dv = dY[c][at:stop], dV[c][behind]
                for n in range(count):
                    dv[n] += p[n] * g[n]
                k, dq = K[c][behind], dQ[c][at:stop]
                for n in range(count):
                    dq[n] += e[n] * k[n]
                q, dk = Q[c][at:stop], dK[c][behind]
                for n in range(count):
                    dk[n] += e[n] * q[n]


@kernel("void(f4[:, ::1], f4[:, ::1], i8, i8)")
def gelu(H, A, start, stop):  # type: ignore[no-untyped-def]
    """A = GELU(H)."""
    for i in range(len(H)):
        h, a = H[i][start:stop], A[i][start:stop]
        for n in range(stop - start):
            x = h[n]
            a[n] = x / (np.float32(1) + exp(np.float32(-2) * ROOT * (x + CUBIC * x * x * x)))


@kernel("void(f4[:, ::1], f4[:, ::1], i8, i8)")
def gelu_back(H, dA, start, stop):  # type: ignore[no-untyped-def]
    """Turn the gradient of A into that of H."""
    for i in range(len(H)):
        h, d = H[i][start:stop], dA[i][start:stop]
        for n in range(stop - start):
            x = h[n]
            s = np.float32(1) / (np.float32(1) + exp(np.float32(-2) * ROOT * (x + CUBIC * x * x * x)))
            steep = np.float32(2) * ROOT * (np.float32(1) + np.float32(3) * CUBIC * x * x)
            d[n] *= s + x * s * (np.float32(1) - s) * steep


@kernel("UniTuple(f8, 2)(f4[:, ::1], i8, i4[::1], f4[::1], i8, i8)")
def cross_entropy(L, vocab, target, weight, start, stop):  # type: ignore[no-untyped-def]
    """Turn logits of ``vocab`` tokens into the gradient of the weighted loss; return that loss and how many targets have the largest logit alone."""
    size, w, t = stop - start, weight[start:stop], target[start:stop]
    highest, own = np.full(size, LOWEST, np.float32), np.empty(size, np.float32)
    total, ties = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for v in range(vocab):
        y = L[v][start:stop]
        for n in range(size):
            highest[n] = max(highest[n], y[n])
    for n in range(size):
        own[n] = L[t[n], start + n]
    for v in range(vocab):
        y = L[v][start:stop]
        for n in range(size):
            ties[n] += np.float32(y[n] >= highest[n])
        for n in range(size):
            y[n] = exp(y[n] - highest[n])
        for n in range(size):
            total[n] += y[n]
    loss, right = 0.0, 0.0
    for n in range(size):
        if w[n] > 0:
            loss += w[n] * (np.log(total[n]) + highest[n] - own[n])
            right += own[n] >= highest[n] and ties[n] == 1
        total[n] = w[n] / total[n]
    for v in range(vocab):
        y = L[v][start:stop]
        for n in range(size):
            y[n] *= total[n]
    for n in range(size):
        L[t[n], start + n] -= w[n]
    return loss, right
