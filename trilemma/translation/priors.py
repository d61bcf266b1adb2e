"""Quantile functions of the priors: numbers between 0 and 1 in, draws out. Plain numbers, no table, no model.

A beta or a dirichlet is given by its means and by the width of its 5 to 95 % range; the concentration that
gives this width is solved for once and remembered.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betaincinv, gammaincinv, ndtr, ndtri

from trilemma.errors import ParameterTableError

FloatArray: TypeAlias = NDArray[np.float64]
Limits: TypeAlias = tuple[float | None, float | None]

_Z95 = float(ndtri(0.95))
_CONCENTRATIONS = np.geomspace(1e6, 0.05, 160)  # from narrow to wide; the first that is wide enough counts


def normal(u: FloatArray, mean: float, low: float, high: float, limits: Limits = (None, None)) -> FloatArray:
    """Return quantiles of a normal with a 5-95 % range as wide as low to high, cut to the limits."""
    return _truncated(u, mean, (high - low) / (2 * _Z95), *_numbers(limits))


def lognormal(u: FloatArray, median: float, low: float, high: float, limits: Limits = (None, None)) -> FloatArray:
    """Return quantiles of a lognormal with the ratio high / low between 95 and 5 %, cut to the limits."""
    least, most = _numbers(limits)
    scale = math.log(high / low) / (2 * _Z95)
    least, most = math.log(least) if least > 0 else -math.inf, math.log(most)
    return np.exp(_truncated(u, math.log(median), scale, least, most))


def beta(u: FloatArray, mean: float, width: float) -> FloatArray:
    """Return quantiles of a beta on 0..1 with this mean and this width of its 5-95 % range."""
    n = concentration((mean,), width)
    return betaincinv(n * mean, n * (1 - mean), u)


def dirichlet(u: FloatArray, means: tuple[float, ...], width: float) -> FloatArray:
    """Return shares of shape (draw, member) that sum to 1.

    Parameters
    ----------
    u
        Numbers between 0 and 1, shape (draw, member).
    means
        Mean share of each member.
    width
        Widths of the members' 5-95 % ranges, added up.
    """
    gammas = gammaincinv(concentration(means, width) * np.array(means), u)
    return gammas / gammas.sum(axis=1, keepdims=True)


@lru_cache(maxsize=1024)
def concentration(means: tuple[float, ...], width: float) -> float:
    """Return the concentration at which betas with these means have 5-95 % ranges of that total width."""
    mean = np.array(means)[:, None]

    def excess(n: FloatArray) -> FloatArray:
        spread = betaincinv(n * mean, n * (1 - mean), 0.95) - betaincinv(n * mean, n * (1 - mean), 0.05)
        return spread.sum(axis=0) - width

    wide = np.flatnonzero(excess(_CONCENTRATIONS) >= 0)
    if wide.size == 0:
        msg = f"no beta distribution with mean {means[0]:g} has a 5-95 % range as wide as {width:g}; narrow it."
        raise ParameterTableError(msg)
    if wide[0] == 0:
        return float(_CONCENTRATIONS[0])
    wide_end, narrow_end = np.log(_CONCENTRATIONS[[wide[0], wide[0] - 1]]).tolist()

    def mismatch(log_n: float) -> float:
        return float(excess(np.exp([log_n]))[0])

    return math.exp(cast("float", brentq(mismatch, wide_end, narrow_end, xtol=1e-10)))


def _truncated(u: FloatArray, mean: float, scale: float, low: float, high: float) -> FloatArray:
    """Return quantiles of a normal distribution that is cut to low..high."""
    below, above = ndtr((low - mean) / scale), ndtr((high - mean) / scale)
    return np.clip(mean + scale * ndtri(below + (above - below) * u), low, high)


def _numbers(limits: Limits) -> tuple[float, float]:
    low, high = limits
    return (-math.inf if low is None else low), (math.inf if high is None else high)
