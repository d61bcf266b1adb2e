"""Named feedback loops put to the test: each is a path of the model, and has the polarity that it is said to have.

The sign of a link is that of its exact slope, the partial derivative of the effect to its cause, at the saved times of
the base run and of runs with drawn parameters and levers. A loop's polarity at a state is the product of its signs.

How much a loop matters at a time is told as in "Loops that Matter" [Schoenberg2020]_: the score of a link is the part
of its effect's change that its cause accounts for. Along a loop the changes of all auxiliaries cancel; what remains is
the product of the slopes, times net flow over rate of change of net flow for each stock on the way [Schoenberg2023]_.
Shares are those of the named loops alone, among loops whose stocks act on each other.

References
----------
.. [Schoenberg2020] Schoenberg, W., Davidsen, P., and Eberlein, R. (2020). Understanding model behavior using the Loops
   that Matter method. System Dynamics Review 36(2), 158-190.
.. [Schoenberg2023] Schoenberg, W., Hayward, J., and Eberlein, R. (2023). Improving Loops that Matter. System Dynamics
   Review 39(2), 140-151.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import qmc

from trilemma.engine.inputs import Overrides
from trilemma.engine.links import Slopes, link_slopes
from trilemma.errors import LoopsFileError
from trilemma.translation.loops import FILE, Loop, broken_links, read_loops
from trilemma.translation.model import Model, Selection
from trilemma.translation.ordering import causes
from trilemma.translation.parameters import sample_priors
from trilemma.validation.result import Check, Verdict

CATEGORY = "loops"
DRAWS = 31
"""Runs with drawn parameters, beside the base run."""

Method = Literal["euler", "rk4"]
Link = tuple[Selection, Selection]


def loop_checks(model: Model, *, method: Method = "euler", draws: int = DRAWS, seed: int = 0) -> list[Check]:
    """Test every named loop of a model: one result a loop.

    Parameters
    ----------
    method
        How the model is integrated.
    draws, seed
        How many runs with drawn parameters and levers there are beside the base run, and what they are drawn from.
    """
    loops = read_loops(model)
    broken = {loop.name: list(broken_links(model, loop)) for loop in loops}
    whole = [loop for loop in loops if not broken[loop.name]]
    signs = _link_signs(model, whole, _states(model, draws, seed), method)
    return [_broken(loop, broken[loop.name]) if broken[loop.name] else _judged(loop, signs) for loop in loops]


def _states(model: Model, draws: int, seed: int) -> dict[str, tuple[str, np.ndarray]]:
    """Return overrides for the base run and for draws of parameters and levers."""
    table = model.parameters
    levers = [row for row in table.rows if row.role == "lever" and row.low < row.high]
    count = len(table.uncertain)
    if not count + len(levers) or not draws:
        return {}
    cube = qmc.LatinHypercube(d=count + len(levers), rng=np.random.default_rng(seed)).random(draws)
    limits = {name: variable.limits for name, variable in model.variables.items()}
    drawn = sample_priors(table, cube[:, :count], limits)
    drawn |= {row.name: row.low + (row.high - row.low) * cube[:, count + i] for i, row in enumerate(levers)}
    base = model.constants()
    return {name: ("run", np.concatenate([[base[name]], values])) for name, values in drawn.items()}


def _link_signs(
    model: Model, loops: Sequence[Loop], states: Mapping[str, tuple[str, np.ndarray]], method: Method
) -> dict[Link, np.ndarray]:
    """Return the signs of all links of some loops, one for each state: -1, 0 or 1, and NaN where a run has failed."""
    links = list(dict.fromkeys(link for loop in loops for link in loop.links))
    if not links:
        return {}
    slopes = link_slopes(model, links, xr.Dataset(states) if states else None, method=method)
    return {link: np.sign(slope).ravel() for link, slope in zip(links, slopes.links, strict=True)}


def _broken(loop: Loop, links: Sequence[Link]) -> Check:
    """Return the result of a loop that is no path of the model."""
    shown = "; ".join(f"'{effect.label}' does not follow from '{cause.label}'" for cause, effect in links)
    return Check(CATEGORY, _title(loop), loop.polarity, "no path", "failed", f"{shown}: correct the path in {FILE}.")


def _judged(loop: Loop, signs: Mapping[Link, np.ndarray]) -> Check:
    """Return the result of a loop from the signs of its links."""
    by_link = [signs[link] for link in loop.links]
    polarity = np.prod(by_link, axis=0)
    known = np.isfinite(polarity)
    wanted = 1.0 if loop.polarity == "R" else -1.0
    stated, opposite = (float(np.mean(polarity[known] == sign)) if known.any() else 0.0 for sign in (wanted, -wanted))
    notes = _link_notes(loop, by_link)
    verdict: Verdict = "passed"
    if stated == 0:
        verdict = "failed"
        notes.insert(0, "the loop never acts" if opposite == 0 else "the polarity is the opposite one")
    elif opposite > 0:
        verdict = "explained" if loop.reverses else "failed"
        notes.insert(0, loop.reverses.rstrip(".") or f"the polarity turns in {_percent(opposite)} of the states")
    elif any("expected" in note for note in notes):
        verdict = "failed"
    parts = ((loop.polarity, stated), ("reversed", opposite), ("idle", 1 - stated - opposite))
    measured = ", ".join(f"{name} in {_percent(share)}" for name, share in parts if share > 1e-9)
    sentence = "; ".join(notes) or loop.sentence.rstrip(".")
    return Check(CATEGORY, _title(loop), loop.polarity, measured, verdict, f"{sentence[:1].upper()}{sentence[1:]}.")


def _link_notes(loop: Loop, by_link: Sequence[np.ndarray]) -> list[str]:
    """Return what is to be said of single links: that their sign turns, is not the expected one, or is always 0."""
    notes: list[str] = []
    for position, ((cause, effect), signs) in enumerate(zip(loop.links, by_link, strict=True)):
        name = f"'{cause.label}' to '{effect.label}'"
        plus, minus = (float(np.mean(signs[np.isfinite(signs)] == sign)) for sign in (1.0, -1.0))
        if plus and minus:
            notes.append(f"{name} is + in {_percent(plus)} of the states and - in {_percent(minus)}")
        elif not plus and not minus:
            notes.append(f"{name} is 0 in every state")
        elif loop.signs and (loop.signs[position] == "+") != bool(plus):
            notes.append(f"{name} is {'+' if plus else '-'}, expected {loop.signs[position]}")
    return notes


def _percent(share: float) -> str:
    """Return a share in per cent; what is not all is never shown as 100 %."""
    shown = 100 * share
    return f"{shown:.0f} %" if shown in (0, 100) or 1 <= shown <= 99 else f"{shown:.2g} %" if shown < 1 else "over 99 %"


def _title(loop: Loop) -> str:
    """Return the label and the name of a loop."""
    return f"{loop.label} {loop.name}"


# ------------------------------------------------------------------------------------------------ which loops matter


def loop_scores(
    model: Model,
    overrides: Overrides | None = None,
    *,
    save_every: float | None = None,
    method: Method = "euler",
    time_step: float | None = None,
) -> xr.Dataset:
    """Return how much each named loop matters over time, in one run or in each run of a batch.

    Parameters
    ----------
    overrides, save_every, method, time_step
        As in `simulate`.

    Returns
    -------
    xarray.Dataset
        On (loop, time, run): "score", negative for a loop that balances, and "share", the score by the sum of the sizes
        of all scores at that time; no run where the overrides have none. Where nothing moves there is no score: NaN.
        Coordinates "label", "polarity", and "group": shares of loops of different groups do not compare.

    Raises
    ------
    LoopsFileError
        If no loops are named, or a path is none.
    """
    loops = read_loops(model)
    for loop in loops:
        for cause, effect in broken_links(model, loop):
            message = f"{FILE}, '{loop.name}': '{effect.label}' does not follow from '{cause.label}'."
            raise LoopsFileError(message)
    if not loops:
        message = f"there is no {FILE} beside '{model.path.name}': name the loops that are to be scored."
        raise LoopsFileError(message)
    links = list(dict.fromkeys(link for loop in loops for link in loop.links))
    slopes = link_slopes(model, links, overrides, save_every=save_every, method=method, time_step=time_step)
    scores = np.stack([_score(loop, links, slopes) for loop in loops])
    groups = _groups(model, loops)
    totals = np.stack([np.nansum(np.abs(scores[groups == group]), axis=0) for group in groups])
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.where(totals > 0, scores / totals, np.nan)
    batched = isinstance(overrides, xr.Dataset) and "run" in overrides.dims
    dims = ("loop", "time", "run")
    data = xr.Dataset(
        {"score": (dims, scores, {"units": "1"}), "share": (dims, shares, {"units": "1"})},
        coords={
            "loop": [loop.name for loop in loops],
            "time": slopes.times,
            "label": ("loop", [loop.label for loop in loops]),
            "polarity": ("loop", [loop.polarity for loop in loops]),
            "group": ("loop", groups),
        },
        attrs={"model": model.name, "model_hash": model.hash, "method": method},
    )
    return data if batched else data.isel(run=0)


def _score(loop: Loop, links: Sequence[Link], slopes: Slopes) -> np.ndarray:
    """Return the score of a loop, shape (time, runs): 0 where a stock of it does not move, or moves steadily."""
    score = np.ones_like(slopes.links[0])
    sizes = np.ones_like(score)
    for link in loop.links:
        position = links.index(link)
        score = score * slopes.links[position]
        for stock in slopes.stocks[position]:
            flow = slopes.net_flows[stock]
            turning = np.gradient(flow, slopes.times, axis=0)
            sizes *= np.divide(np.abs(flow), np.abs(turning), out=np.zeros_like(flow), where=turning != 0)
    return score * sizes


def _groups(model: Model, loops: Sequence[Loop]) -> np.ndarray:
    """Return a number for each loop, the same for loops whose variables act on each other."""
    position = {variable.key: i for i, variable in enumerate(model.variables.values())}
    pairs = [(position[c], position[e]) for e in position for c in causes(model, e, initial=False) if c in position]
    rows, columns = zip(*pairs, strict=True)
    graph = csr_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(position), len(position)))
    _, component = connected_components(graph, connection="strong")
    found = [int(component[position[loop.path[0].variable.key]]) for loop in loops]
    return np.array([found.index(number) for number in found])
