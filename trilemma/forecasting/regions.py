"""Where a verdict flips: the assumptions that part the draws in which a claim holds from those in which it does not.

A small decision tree (CART [Breiman1984]_) is grown on one half of the draws; its shares are those of the other half,
which had no part in choosing it, so that a split found by chance shows as none.

.. [Breiman1984] Breiman, Friedman, Olshen, Stone: Classification and Regression Trees. Wadsworth 1984. Its use for
   finding policy-relevant regions: Lempert, Bryant, Bankes: Comparing algorithms for scenario discovery. RAND 2008.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

FEWEST = 100  # draws in each half; with fewer, a share within a region says too little
LEAST = 0.1  # the smallest part of the draws that makes a region
DEPTH = 2  # assumptions that are combined
CLEAR = 2.0  # standard errors by which the share of a region must differ from that of all draws


@dataclass(frozen=True)
class Bound:
    """One side of a region: an assumption above or below a value, or a variant that is in force or is not.

    `above` and `below` are None where there is no such bound; a variant has neither, and `is_in_force`.
    """

    name: str
    above: float | None = None
    below: float | None = None
    is_in_force: bool | None = None


@dataclass(frozen=True)
class Region:
    """A part of the space of assumptions.

    Attributes
    ----------
    bounds
        What holds within it.
    size
        The part of the draws that lies in it.
    share
        The share of its draws in which the claim holds, of draws that had no part in finding it.
    verdict
        The verdict on those.
    """

    bounds: tuple[Bound, ...]
    size: float
    share: float
    verdict: str


@dataclass(frozen=True)
class Flip:
    """What parts the draws in which a claim holds from the others.

    Attributes
    ----------
    regions
        The regions in which the verdict is another one, the largest first; empty where there is none.
    leading
        The assumption that parts the draws most, as two regions: below and above its value. None where nothing does.
    """

    regions: tuple[Region, ...]
    leading: tuple[Region, Region] | None


@dataclass(frozen=True)
class _Draws:
    """Assumptions on (draw, assumption), and whether the claim holds and fails in each draw."""

    names: tuple[str, ...]
    variants: frozenset[str]
    table: np.ndarray
    holds: np.ndarray
    fails: np.ndarray

    def where(self, mask: np.ndarray) -> _Draws:
        """Return some of the draws."""
        return replace(self, table=self.table[mask], holds=self.holds[mask], fails=self.fails[mask])


def find_flip(
    assumptions: Mapping[str, np.ndarray],
    variants: Mapping[str, np.ndarray],
    holds: np.ndarray,
    fails: np.ndarray,
    *,
    numbers: np.ndarray,
    verdict: Callable[[np.ndarray, np.ndarray], str],
) -> Flip | None:
    """Return where a verdict flips; None where there are too few draws to say.

    Parameters
    ----------
    assumptions
        The value of each uncertain parameter in each draw.
    variants
        For each variant of the model, whether a draw is run under it.
    holds, fails
        Whether the claim holds, and fails, in each draw.
    numbers
        Which draw of the design each draw is; a draw that is run under several variants counts once for chance. Regions
        are found on the even ones, their shares are those of the odd ones.
    verdict
        Gives the verdict on some draws from whether the claim holds, and fails, in each.
    """
    learn = numbers % 2 == 0
    size = len(np.unique(numbers[~learn]))
    if min(size, len(np.unique(numbers[learn]))) < FEWEST:
        return None
    several = variants if len(variants) > 1 else {}
    columns = {**assumptions, **several}
    if not columns:
        return Flip((), None)
    table = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns.values()])
    draws = _Draws(tuple(columns), frozenset(several), table, holds, fails)
    known, fresh = draws.where(learn & (holds | fails)), draws.where(~learn)
    usual = verdict(holds, fails)
    regions = _regions(known, DEPTH, lambda bounds: _region(fresh, bounds, verdict), joined=True)
    flips = [r for r in regions if r.size > 0 and r.verdict != usual and _is_clear(r, float(holds.mean()), size)]
    halves = _regions(known, 1, lambda bounds: _region(fresh, bounds, verdict), joined=False)
    leading = (halves[0], halves[1]) if len(halves) == 2 and _parts(halves[0], halves[1], size) else None
    return Flip(tuple(sorted(flips, key=lambda region: -region.size)), leading)


def _regions(draws: _Draws, depth: int, region: Callable[[tuple[Bound, ...]], Region], *, joined: bool) -> list[Region]:
    """Grow a tree and return its leaves as regions, those below a split first.

    `joined`: two leaves of one split that have the same verdict are one region.
    """
    from sklearn.tree import DecisionTreeClassifier

    if len(set(draws.holds.tolist())) < 2:
        return []
    least = max(2, round(LEAST * len(draws.holds)))
    grown = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, random_state=0)
    tree = grown.fit(draws.table, draws.holds).tree_

    def descend(node: int, bounds: tuple[Bound, ...]) -> list[Region]:
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left == right:
            return [region(bounds)]
        name, threshold = draws.names[int(tree.feature[node])], float(tree.threshold[node])
        below = descend(left, _narrowed(bounds, name, name in draws.variants, below=threshold))
        above = descend(right, _narrowed(bounds, name, name in draws.variants, above=threshold))
        alike = joined and len(below) == len(above) == 1 and below[0].verdict == above[0].verdict
        return [region(bounds)] if alike else [*below, *above]

    found = descend(0, ())
    return found if len(found) > 1 else []


def _narrowed(
    bounds: tuple[Bound, ...], name: str, is_variant: bool, *, above: float | None = None, below: float | None = None
) -> tuple[Bound, ...]:
    """Return bounds with one more; a second one on the same assumption joins the first."""
    if is_variant:
        return (*bounds, Bound(name, is_in_force=above is not None))
    old = next((bound for bound in bounds if bound.name == name), Bound(name))
    new = replace(old, above=old.above if above is None else above, below=old.below if below is None else below)
    return (*(bound for bound in bounds if bound.name != name), new)


def _region(draws: _Draws, bounds: tuple[Bound, ...], verdict: Callable[[np.ndarray, np.ndarray], str]) -> Region:
    """Return a region with its share and verdict."""
    inside = np.ones(len(draws.holds), dtype=bool)
    for bound in bounds:
        column = draws.table[:, draws.names.index(bound.name)]
        if bound.is_in_force is not None:
            inside &= (column > 0) == bound.is_in_force
        if bound.above is not None:
            inside &= column > bound.above
        if bound.below is not None:
            inside &= column <= bound.below
    if not inside.any():
        return Region(bounds, 0.0, 0.0, "undecided")
    holds, fails = draws.holds[inside], draws.fails[inside]
    return Region(bounds, float(inside.mean()), float(holds.mean()), verdict(holds, fails))


def _is_clear(region: Region, share: float, draws: int) -> bool:
    """Whether the share within a region differs from that of all draws by more than chance."""
    error = np.sqrt(max(region.share * (1 - region.share), share * (1 - share)) / (region.size * draws))
    return bool(abs(region.share - share) > CLEAR * error)


def _parts(below: Region, above: Region, draws: int) -> bool:
    """Whether two regions differ by more than chance."""
    if min(below.size, above.size) == 0:
        return False
    errors = [r.share * (1 - r.share) / (r.size * draws) for r in (below, above)]
    return bool(abs(below.share - above.share) > CLEAR * np.sqrt(sum(errors)))
