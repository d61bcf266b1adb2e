"""Where verdicts flip: splits are found, those of chance are not, and shares are those of fresh draws."""

from __future__ import annotations

import numpy as np
import pytest

from trilemma.forecasting.claims import verdict
from trilemma.forecasting.regions import Flip, find_flip

DRAWS = 2000


def flip(
    holds: np.ndarray,
    assumptions: dict[str, np.ndarray],
    variants: dict[str, np.ndarray] | None = None,
    numbers: np.ndarray | None = None,
) -> Flip | None:
    numbers = np.arange(len(holds)) if numbers is None else numbers
    return find_flip(assumptions, variants or {}, holds, ~holds, numbers=numbers, verdict=verdict)


def uniforms(*names: str, draws: int = DRAWS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    return {name: rng.uniform(size=draws) for name in names}


def test_two_assumptions_together_make_a_region() -> None:
    a = uniforms("x", "y", *(f"idle {i}" for i in range(40)))
    found = flip((a["x"] > 0.6) & (a["y"] > 0.5), a)
    assert found is not None
    supported = next(region for region in found.regions if region.verdict == "supported")
    assert {bound.name: bound.above for bound in supported.bounds} == pytest.approx({"x": 0.6, "y": 0.5}, abs=0.02)
    assert supported.size == pytest.approx(0.2, abs=0.03)
    assert supported.share > 0.95


def test_bounds_on_one_assumption_join() -> None:
    a = uniforms("x", "idle")
    found = flip((a["x"] > 0.3) & (a["x"] < 0.7), a)
    assert found is not None
    inside = next(region for region in found.regions if region.verdict == "supported")
    (bound,) = inside.bounds
    assert (bound.name, bound.above, bound.below) == ("x", pytest.approx(0.3, abs=0.02), pytest.approx(0.7, abs=0.02))


def test_two_leaves_with_one_verdict_are_one_region() -> None:
    a = uniforms("x", "y")
    rng = np.random.default_rng(7)
    holds = (a["x"] > 0.5) & (rng.uniform(size=DRAWS) < 0.9 + 0.1 * (a["y"] > 0.5))  # y changes little beside x
    found = flip(holds, a)
    assert found is not None
    assert sorted(region.verdict for region in found.regions) == ["rejected", "supported"]
    assert all([bound.name for bound in region.bounds] == ["x"] for region in found.regions)


def test_a_coin_has_no_region() -> None:
    a = uniforms(*(f"idle {i}" for i in range(100)))
    coin = np.random.default_rng(2).uniform(size=DRAWS) < 0.75
    found = flip(coin, a)
    assert found is not None
    assert found.regions == ()


def test_shares_are_those_of_draws_that_had_no_part_in_the_search() -> None:
    a = uniforms("x")
    holds = a["x"] > 0.5
    learn = np.arange(DRAWS) % 2 == 0
    holds[~learn] = False  # on the other half it never holds
    found = flip(holds, a)
    assert found is not None
    assert all(region.share == 0 for region in found.regions)


def test_a_variant_may_part_the_draws() -> None:
    a = uniforms("x")
    strong = np.arange(DRAWS) >= DRAWS // 2
    found = flip(strong, a, {"weak": ~strong, "strong": strong})
    assert found is not None
    assert {region.verdict for region in found.regions} == {"supported", "rejected"}
    assert all(region.bounds[0].is_in_force is not None for region in found.regions)


def test_a_verdict_that_nothing_moves_has_neither_region_nor_lead() -> None:
    found = flip(np.ones(DRAWS, dtype=bool), uniforms("x"))
    assert found == Flip((), None)


def test_the_strongest_split_is_named_where_the_verdict_stays() -> None:
    a = uniforms("x", "idle")
    rare = (a["x"] > 0.5) & (np.random.default_rng(4).uniform(size=DRAWS) < 0.3)
    found = flip(~rare, a)
    assert found is not None
    assert found.leading is not None
    below, above = found.leading
    assert below.share > 0.98
    assert above.share == pytest.approx(0.7, abs=0.06)
    assert above.bounds[0].above == pytest.approx(0.5, abs=0.03)


def test_a_draw_under_many_variants_counts_once() -> None:
    a = uniforms("x", draws=150)
    repeated = {"x": np.tile(a["x"], 10)}
    assert flip(repeated["x"] > 0.5, repeated, numbers=np.tile(np.arange(150), 10)) is None


def test_a_region_that_no_fresh_draw_lies_in_is_none() -> None:
    learn = np.arange(DRAWS) % 2 == 0
    x = np.where(learn, np.linspace(0, 1, DRAWS), 0.1)
    found = flip(x > 0.5, {"x": x})
    assert found is not None
    assert all(region.size > 0 for region in found.regions)
    assert found.leading is None


def test_few_draws_say_nothing_on_regions() -> None:
    a = uniforms("x", draws=150)
    assert flip(a["x"] > 0.5, a) is None
