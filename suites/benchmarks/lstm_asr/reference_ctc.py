"""Connectionist temporal classification in float64 NumPy: loss and gradient by forward and backward sums of logarithms.

With blanks between and around them, n labels are S = 2n + 1 symbols l(s). alpha(t, s) is the log probability of all
paths that are at symbol s at time t, emission included; beta(t, s) of all ways from there to the end, without it.

    p(l) = sum over s of exp(alpha(t, s) + beta(t, s)), the same at every t;     loss = -sum over the batch of log p(l)
    d loss / d logit(t, k) = softmax(t, k) - sum over l(s) = k of exp(alpha(t, s) + beta(t, s)) / p(l)

A path may skip the blank between two labels only where they differ.
Source: Graves et al. 2006, eq. 6-16, in logarithms.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
BLANK = 0


def loss_and_gradient(logits: Array, labels: Integers, lengths: Integers) -> tuple[float, Array]:
    """Return the loss summed over the batch, and its gradient for the logits.

    logits: (steps, batch, classes), class 0 the blank. labels: (batch, n >= 1), none of them blank. lengths: (batch,).
    """
    log_p = log_softmax(logits)
    symbols = np.full((len(labels), 2 * labels.shape[1] + 1), BLANK)
    symbols[:, 1::2] = labels
    emitted = np.take_along_axis(log_p, np.broadcast_to(symbols, (len(log_p), *symbols.shape)), axis=2)
    may_skip = np.zeros(symbols.shape, dtype=bool)
    may_skip[:, 3::2] = symbols[:, 3::2] != symbols[:, 1:-2:2]
    alpha = _alpha(emitted, may_skip)
    beta = _beta(emitted, may_skip, lengths)
    log_total = np.logaddexp.reduce(alpha[lengths - 1, np.arange(len(labels)), -2:], axis=1)
    with np.errstate(invalid="ignore"):
        share = np.exp(np.where(np.isneginf(beta), -np.inf, alpha + beta - log_total[:, None]))
    gradient = np.where((np.arange(len(logits))[:, None] < lengths)[:, :, None], np.exp(log_p), 0.0)
    for place in range(symbols.shape[1]):
        gradient[:, np.arange(len(labels)), symbols[:, place]] -= share[:, :, place]
    return float(-log_total.sum()), gradient


def log_softmax(logits: Array) -> Array:
    """Return log probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _alpha(emitted: Array, may_skip: npt.NDArray[np.bool_]) -> Array:
    alpha = np.full(emitted.shape, -np.inf)
    alpha[0, :, :2] = emitted[0, :, :2]
    for t in range(1, len(emitted)):
        alpha[t] = emitted[t] + _reached(alpha[t - 1], may_skip)
    return alpha


def _reached(before: Array, may_skip: npt.NDArray[np.bool_]) -> Array:
    """Add up for each symbol what stays there, comes from the one before and skips the one before."""
    total = before.copy()
    total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
    total[:, 2:] = np.logaddexp(total[:, 2:], np.where(may_skip[:, 2:], before[:, :-2], -np.inf))
    return total


def _beta(emitted: Array, may_skip: npt.NDArray[np.bool_], lengths: Integers) -> Array:
    """Go backwards: at the end of its sequence a path is at the last label or the blank after it."""
    beta = np.full(emitted.shape, -np.inf)
    at_end = np.where(np.arange(emitted.shape[2]) >= emitted.shape[2] - 2, 0.0, -np.inf)
    for t in range(len(emitted) - 1, -1, -1):
        if t + 1 < len(emitted):
            after = beta[t + 1] + emitted[t + 1]
            beta[t] = after
            beta[t, :, :-1] = np.logaddexp(beta[t, :, :-1], after[:, 1:])
            beta[t, :, :-2] = np.logaddexp(beta[t, :, :-2], np.where(may_skip[:, 2:], after[:, 2:], -np.inf))
        beta[t] = np.where((lengths - 1 == t)[:, None], at_end, beta[t])
    return beta
