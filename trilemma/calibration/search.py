"""A search for modes that the starts of a fit have missed: differential evolution, which knows nothing of them.

It goes as far as `EXTREME` prior standard deviations. Every generation is one batch of runs, and their number is fixed,
so that a search takes as long as any other. It cannot prove that there is no better mode: it says what it met.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import differential_evolution

from trilemma.calibration.fit import EXTREME, SAME, Fit, design, polish, summarise
from trilemma.calibration.problem import Problem, Tell, silent

POPULATION, GENERATIONS = 256, 40
EVALUATIONS = POPULATION * GENERATIONS
"""Runs of the model that a search takes, besides those of polishing its best point."""

WORST = 1e300
"""The cost where the model is undefined; a number, so that it can be compared."""


@dataclass(frozen=True, eq=False)
class Search:
    """What a search has found.

    Attributes
    ----------
    mode
        The better one of the mode that was known and the one that was found.
    gain
        How much higher the log posterior is where the search ended than at the mode that was known.
    taken
        Whether the mode is the one that was found.
    """

    mode: Fit
    gain: float
    taken: bool

    @property
    def verdict(self) -> str:
        """What it says of the mode, in a sentence."""
        did = f"differential evolution ({EVALUATIONS:,} runs, then polished)"
        if self.taken:
            return f"{did} found a better mode, log posterior higher by {self.gain:.3g}: it is the one used."
        if self.gain >= SAME:
            return f"{did} met a log posterior higher by {self.gain:.3g}, but no mode there: the fit is in doubt."
        if self.gain > -SAME:
            return f"{did} ended at the same mode."
        return f"{did} ended where the log posterior is lower by {-self.gain:.3g}: nothing better was met."

    @property
    def attrs(self) -> dict[str, str | float]:
        """What is kept of it in results."""
        return {"global_check": self.verdict, "global_check_gain": self.gain, "global_check_runs": float(EVALUATIONS)}


def search(problem: Problem, mode: Fit, *, seed: int, tell: Tell = silent) -> Search:
    """Look for a better mode than the one that is known."""
    count = len(problem.fitted)
    generations = iter(range(1, GENERATIONS + 1))

    def cost(z: np.ndarray) -> np.ndarray:
        tell(next(generations) - 1, GENERATIONS, "looking for other modes")
        found = -problem.log_posterior(z.T)
        return np.where(np.isfinite(found), found, WORST)

    first: Any = np.clip(design(count, POPULATION, seed + 1), -EXTREME, EXTREME)
    found = differential_evolution(
        cost,
        [(-EXTREME, EXTREME)] * count,
        init=first,
        maxiter=GENERATIONS - 1,
        rng=np.random.default_rng(seed),
        polish=False,
        vectorized=True,
        updating="deferred",
        tol=0,
    )
    end = summarise(problem, [polish(problem, np.asarray(found.x))])
    gain = mode.cost - end.cost
    taken = gain >= SAME and end.converged
    return Search(replace(end, costs=(*mode.costs, end.cost)) if taken else mode, gain, taken)
