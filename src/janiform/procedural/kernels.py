"""A way through a tiny transformer and back, and the loops over long rows of numbers it is made of, compiled by Numba.

An activation is a matrix of features by places; a place is a position of one of a few sequences that go through the network side
by side, position by position: place = position * lanes + lane. So every loop runs over neighbors in memory, attention too: the
scores of all queries with the keys ``back`` positions before them are products of rows, one of them shifted. Every kernel adds to
the gradients that it is given. Import it where Numba is needed only; compiled code is kept for the next process, as long as its
own file stays as it is: so what calls the loops stands here, too.
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


def inner(function):  # type: ignore[no-untyped-def]
    """Compile a function when a kernel calls it."""
    return numba.njit(function, cache=True, fastmath=ORDERLESS, error_model="numpy")


@inner
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
        for i in range(W_E.shape[1]):
            x, shift = X[i][t * lanes : (t + 1) * lanes], W_pos[t, i]
            for lane in range(lanes):
                x[lane] = W_E[tokens[t, lane], i] + shift


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
    """Y += W X at the places from start to before stop; W has multiples of 4 rows and columns, which stay in registers."""
    for o in range(0, len(W), 4):
        y0, y1, y2, y3 = Y[o][start:stop], Y[o + 1][start:stop], Y[o + 2][start:stop], Y[o + 3][start:stop]
        for i in range(0, W.shape[1], 4):
            x0, x1, x2, x3 = (
                X[i][start:stop],
                X[i + 1][start:stop],
                X[i + 2][start:stop],
                X[i + 3][start:stop],
            )
            a0, a1, a2, a3 = W[o, i], W[o, i + 1], W[o, i + 2], W[o, i + 3]
            b0, b1, b2, b3 = W[o + 1, i], W[o + 1, i + 1], W[o + 1, i + 2], W[o + 1, i + 3]
            c0, c1, c2, c3 = W[o + 2, i], W[o + 2, i + 1], W[o + 2, i + 2], W[o + 2, i + 3]
            d0, d1, d2, d3 = W[o + 3, i], W[o + 3, i + 1], W[o + 3, i + 2], W[o + 3, i + 3]
            for n in range(stop - start):
                p, q, r, s = x0[n], x1[n], x2[n], x3[n]
                y0[n] += a0 * p + a1 * q + a2 * r + a3 * s
                y1[n] += b0 * p + b1 * q + b2 * r + b3 * s
                y2[n] += c0 * p + c1 * q + c2 * r + c3 * s
                y3[n] += d0 * p + d1 * q + d2 * r + d3 * s


@kernel("void(f4[:, ::1], f4[:, ::1], i8, i8, f4[:, ::1], f4[::1])")
def multiply_back(X, dY, start, stop, dW, db):  # type: ignore[no-untyped-def]
    """Add the gradients of W, and of a vector that was added to W X; that of X is the product with the transposed W."""
    zero = np.float32(0)
    for o in range(0, len(dW), 4):
        y0, y1 = dY[o][start:stop], dY[o + 1][start:stop]
        y2, y3 = dY[o + 2][start:stop], dY[o + 3][start:stop]
        a = b = c = d = zero
        for n in range(stop - start):
            a += y0[n]
            b += y1[n]
            c += y2[n]
            d += y3[n]
        db[o] += a
        db[o + 1] += b
        db[o + 2] += c
        db[o + 3] += d
        for i in range(0, dW.shape[1], 4):
            x0, x1, x2, x3 = (
                X[i][start:stop],
                X[i + 1][start:stop],
                X[i + 2][start:stop],
                X[i + 3][start:stop],
            )
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zero
            c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zero
            for n in range(stop - start):
                p, q, r, s = x0[n], x1[n], x2[n], x3[n]
                a0, a1, a2, a3 = a0 + y0[n] * p, a1 + y0[n] * q, a2 + y0[n] * r, a3 + y0[n] * s
                b0, b1, b2, b3 = b0 + y1[n] * p, b1 + y1[n] * q, b2 + y1[n] * r, b3 + y1[n] * s
                c0, c1, c2, c3 = c0 + y2[n] * p, c1 + y2[n] * q, c2 + y2[n] * r, c3 + y2[n] * s
                d0, d1, d2, d3 = d0 + y3[n] * p, d1 + y3[n] * q, d2 + y3[n] * r, d3 + y3[n] * s
            for k, row in enumerate(((a0, a1, a2, a3), (b0, b1, b2, b3), (c0, c1, c2, c3), (d0, d1, d2, d3))):
                for j in range(4):
                    dW[o + k, i + j] += row[j]


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
                e = exp((p[n] - m[n]) * scale)
                p[n] = e
                s[n] += e
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
                g, dv, q, dk = dY[c][at:stop], dV[c][behind], Q[c][at:stop], dK[c][behind]
                k, dq = K[c][behind], dQ[c][at:stop]
                for n in range(count):
                    dv[n] += p[n] * g[n]
                    dq[n] += e[n] * k[n]
                    dk[n] += e[n] * q[n]


@kernel("void(f4[:, ::1], f4[:, ::1], i8, i8)")
def gelu(H, A, start, stop):  # type: ignore[no-untyped-def]
    """A = GELU(H); H becomes its slope, by which the gradient of A is to be multiplied."""
    one, two = np.float32(1), np.float32(2)
    for i in range(len(H)):
        h, a = H[i][start:stop], A[i][start:stop]
        for n in range(stop - start):
            x = h[n]
            s = one / (one + exp(-two * ROOT * (x + CUBIC * x * x * x)))
            a[n] = x * s
            h[n] = s + x * s * (one - s) * two * ROOT * (one + np.float32(3) * CUBIC * x * x)


@kernel("void(f4[:, ::1], f4[:, ::1], i8, i8)")
def gelu_back(H, dA, start, stop):  # type: ignore[no-untyped-def]
    """Turn the gradient of A into that of H, given the slope."""
    for i in range(len(H)):
        h, d = H[i][start:stop], dA[i][start:stop]
        for n in range(stop - start):
            d[n] *= h[n]


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


@inner
def begin(Y, b, start, stop):  # type: ignore[no-untyped-def]
    """Begin a sum with a bias, (1, features)."""
    for i in range(len(Y)):
        Y[i][start:stop] = b[0, i]


@inner
def clear(Y, start, stop):  # type: ignore[no-untyped-def]
    """Begin a sum with nothing."""
    for i in range(len(Y)):
        Y[i][start:stop] = 0


@inner
def add(X, b, Y, start, stop):  # type: ignore[no-untyped-def]
    """Y = X + b."""
    for i in range(len(Y)):
        x, y, shift = X[i][start:stop], Y[i][start:stop], b[0, i]
        for n in range(stop - start):
            y[n] = x[n] + shift


@inner
def part(memory, where, k):  # type: ignore[no-untyped-def]
    """Return the k-th matrix of those that lie in memory; ``where`` says of each where it begins, its rows and columns."""
    at, rows, columns = where[k, 0], where[k, 1], where[k, 2]
    return memory[at : at + rows * columns].reshape((rows, columns))


@inner
def four(memory, where, k):  # type: ignore[no-untyped-def]
    """Return four matrices that follow one another."""
    return (
        part(memory, where, k),
        part(memory, where, k + 1),
        part(memory, where, k + 2),
        part(memory, where, k + 3),
    )


@kernel("void(f4[::1], i8[:, ::1], f4[::1], i8[:, ::1], i8, i8, i8, i8, i8, f4, f4)")
def forward(W, at, T, room, i, heads, lanes, first, last, eps, scale):  # type: ignore[no-untyped-def]
    """Go through the i-th block, at positions before ``first`` no further than keys and values."""
    w1, b1, w2, b2 = four(W, at, 2 + 16 * i)
    W_Q, W_K, W_V, W_O = four(W, at, 6 + 16 * i)
    b_Q, b_K, b_V, b_O = four(W, at, 10 + 16 * i)
    W_in, W_out, b_in, b_out = four(W, at, 14 + 16 * i)
    X, H1, R1, Z1 = four(T, room, 16 * i)
    Q, K, V, P = four(T, room, 4 + 16 * i)
    S, Y, middle, H2 = four(T, room, 8 + 16 * i)
    R2, Z2, pre, post = four(T, room, 12 + 16 * i)
    out = part(T, room, 16 * i + 16)
    start, stop = first * lanes, last * lanes
    norm(X, w1[0], b1[0], eps, 0, stop, H1, R1[0], Z1)
    begin(Q, b_Q, start, stop)
    multiply(W_Q, Z1, Q, start, stop)
    begin(K, b_K, 0, stop)
    multiply(W_K, Z1, K, 0, stop)
    begin(V, b_V, 0, stop)
    multiply(W_V, Z1, V, 0, stop)
    attend(Q, K, V, P.reshape((heads, len(P) // heads, P.shape[1])), S, Y, lanes, first, last, scale)
    add(X, b_O, middle, start, stop)
    multiply(W_O, Y, middle, start, stop)
    norm(middle, w2[0], b2[0], eps, start, stop, H2, R2[0], Z2)
    begin(pre, b_in, start, stop)
    multiply(W_in, Z2, pre, start, stop)
    gelu(pre, post, start, stop)
    add(middle, b_out, out, start, stop)
    multiply(W_out, post, out, start, stop)


@kernel("void(f4[::1], f4[::1], i8[:, ::1], f4[::1], i8[:, ::1], i8, i8, i8, i8, i8, i8, f4)")
def backward(W, G, at, T, room, back, i, heads, lanes, first, last, scale):  # type: ignore[no-untyped-def]
    """Turn the gradient of what the i-th block gave into that of what it read; its place is the ``back``-th in memory."""
    w1, b1, w2, b2 = four(W, at, 2 + 16 * i)
    W_Q, W_K, W_V, W_O = four(W, at, 6 + 16 * i)
    W_in, W_out, b_in, b_out = four(W, at, 14 + 16 * i)
    dw1, db1, dw2, db2 = four(G, at, 2 + 16 * i)
    dW_Q, dW_K, dW_V, dW_O = four(G, at, 6 + 16 * i)
    db_Q, db_K, db_V, db_O = four(G, at, 10 + 16 * i)
    dW_in, dW_out, db_in, db_out = four(G, at, 14 + 16 * i)
    X, H1, R1, Z1 = four(T, room, 16 * i)
    Q, K, V, P = four(T, room, 4 + 16 * i)
    S, Y, middle, H2 = four(T, room, 8 + 16 * i)
    R2, Z2, pre, post = four(T, room, 12 + 16 * i)
    dX, dZ, dQ, dK = four(T, room, back)
    dV, dY, dA = part(T, room, back + 4), part(T, room, back + 5), part(T, room, back + 6)
    start, stop = first * lanes, last * lanes
    multiply_back(post, dX, start, stop, dW_out, db_out[0])
    clear(dA, start, stop)
    multiply(W_out.T, dX, dA, start, stop)
    gelu_back(pre, dA, start, stop)
    multiply_back(Z2, dA, start, stop, dW_in, db_in[0])
    clear(dZ, start, stop)
    multiply(W_in.T, dA, dZ, start, stop)
    norm_back(H2, R2[0], w2[0], dZ, start, stop, dX, dw2[0], db2[0])
    multiply_back(Y, dX, start, stop, dW_O, db_O[0])
    clear(dY, start, stop)
    multiply(W_O.T, dX, dY, start, stop)
    pattern = P.reshape((heads, len(P) // heads, P.shape[1]))
    attend_back(Q, K, V, pattern, S, Y, dY, dQ, dK, dV, lanes, first, last, scale)
    clear(dZ, 0, stop)
    multiply_back(Z1, dQ, start, stop, dW_Q, db_Q[0])
    multiply(W_Q.T, dQ, dZ, start, stop)
    multiply_back(Z1, dK, 0, stop, dW_K, db_K[0])
    multiply(W_K.T, dK, dZ, 0, stop)
    multiply_back(Z1, dV, 0, stop, dW_V, db_V[0])
    multiply(W_V.T, dV, dZ, 0, stop)
    norm_back(H1, R1[0], w1[0], dZ, 0, stop, dX, dw1[0], db1[0])


@kernel(
    "UniTuple(f8, 2)(i4[:, ::1], i4[::1], f4[::1], i8, i8, f4[::1], f4[::1], i8[:, ::1], f4[::1], i8[:, ::1], "
    "i8, i8, i8, f4, f4, b1)"
)
def through(tokens, target, weight, first, last, W, G, at, T, room, layers, heads, vocab, eps, scale, learn):  # type: ignore[no-untyped-def]
    """Return the loss of sequences side by side, and how many targets have the largest logit alone; add to gradients G to ``learn``.

    ``tokens`` are (position, lane), targets and their weights in the loss by place. Targets are predicted at positions from
    ``first`` to before ``last``; the last block and the logits are computed there only. W and G are laid out by ``at``, the
    memory T by ``room``, as ``network`` does it.
    """
    lanes = tokens.shape[1]
    start, stop = first * lanes, last * lanes
    W_E, W_pos = part(W, at, 0), part(W, at, 1)
    end = 2 + 16 * layers
    w, b, W_U, b_U = four(W, at, end)
    X, H, R, Z = four(T, room, 16 * layers)
    logits, dX, dZ = (
        part(T, room, 16 * layers + 4),
        part(T, room, 16 * layers + 5),
        part(T, room, 16 * layers + 6),
    )
    embed(tokens, W_E, W_pos, part(T, room, 0))
    for i in range(layers):
        forward(W, at, T, room, i, heads, lanes, first if i == layers - 1 else 0, last, eps, scale)
    norm(X, w[0], b[0], eps, start, stop, H, R[0], Z)
    begin(logits, b_U, start, stop)
    multiply(W_U, Z, logits, start, stop)
    found = cross_entropy(logits, vocab, target, weight, start, stop)
    if learn:
        dw, db, dW_U, db_U = four(G, at, end)
        multiply_back(Z, logits, start, stop, dW_U, db_U[0])
        clear(dZ, start, stop)
        multiply(W_U.T, logits, dZ, start, stop)
        clear(dX, 0, stop)
        norm_back(H, R[0], w[0], dZ, start, stop, dX, dw[0], db[0])
        for k in range(layers):
            i = layers - 1 - k
            backward(W, G, at, T, room, 16 * layers + 5, i, heads, lanes, first if k == 0 else 0, last, scale)
        embed_back(tokens, dX, part(G, at, 0), part(G, at, 1))
    return found
