"""What the export-control model does: conservation, ratchets, bounds and signs, sector by sector.

Version 0 keeps known faults of structure. Where a statement that one would expect fails because of one, the test
asserts what holds and its docstring names the fault. All runs are made in five calls of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import xarray as xr
from scipy.stats import qmc

import trilemma
from trilemma.translation.model import Model
from trilemma.translation.parameters import sample_priors

pytestmark = pytest.mark.slow

LAYERS = ("EUV", "DUV", "HBM", "PKG", "CHIP", "CLD")
API_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
CHIP_STEPS = (0.0, 0.5, 1.0)
DRAWS = 500


def on_layers(name: str, value: float) -> dict[str, float]:
    return {f"{name}[{layer}]": value for layer in LAYERS}


FROM_START = {"Policy Start Year": 2018.0} | on_layers("history switch", 0)
NEVER = (
    on_layers("history switch", 0)
    | on_layers("control lever", 0)
    | {"API history switch": 0, "API control lever": 0, "retaliation lever": 0}
    | {"refusal history": 0, "import refusal lever": 0, "export fee rate": 0}
)
UNFUNDED = {"kappa funding": 0, "RD revenue weight": 0}
RUNS: dict[str, Mapping[str, float]] = {
    "base": {},
    "full law": FROM_START | on_layers("control lever", 1) | {"allied alignment": 1, "enforcement funding": 3},
    "sealed": FROM_START
    | on_layers("control lever", 1)
    | on_layers("viability", 1)
    | on_layers("evasion erosion", 0)
    | {"allied alignment": 1, "smuggling ceiling of unmet": 0, "smuggling ceiling of shipments": 0},
    "never": NEVER,
    "open api": {"API history switch": 0, "API control lever": 0, "output protection": 0},
    "equal platforms": {"capability slope": 0, "cost slope": 0, "platform lock in": 0},
    "weights closed": {"West open release lever": 0},
    "weights open": {"West open release lever": 1},
    "little lost": UNFUNDED | {"US share of CN chips if open": 0.5},
    "much lost": UNFUNDED | {"US share of CN chips if open": 0.95},
    "revenue bound": {"RD revenue weight": 1},
    "memory free": {"history switch[HBM]": 0, "control lever[HBM]": 0},
    "chips never": {"history switch[CHIP]": 0, "control lever[CHIP]": 0},
    "lithography never": {"history switch[EUV]": 0, "control lever[EUV]": 0},
    "subsidy": {"US scale subsidy": 1},
    "few inspectors": {"enforcement funding": 0.3},
    "many inspectors": {"enforcement funding": 3},
    "no distillation": {"distill max": 0},
    "no retaliation": {"retaliation lever": 0},
    "retaliation": {"retaliation lever": 1},
    **{f"api {x:g}": {"API control lever": x} for x in API_STEPS},
    **{f"chip {x:g}": {"control lever[CHIP]": x, "import refusal lever": 0} for x in CHIP_STEPS},
}
RATCHETS = (
    "Open Capability",
    "Open Downloads",
    "Captured Teacher Capability",
    "Frontier Capability",
    "Process Experience",
    "yield",
    "Litho Progress",
    "Domestic SME Share",
    "Chip Design Level",
    "Cumulative Lost Revenue",
    "Research Stock US",
    "Research Stock CN",
)
BALANCES: dict[str, Callable[[xr.Dataset], xr.DataArray]] = {
    "Die Bank": lambda d: d["domestic logic"] + d["proxy fabrication"] - d["die use"],
    "HBM Stockpile": lambda d: d["HBM imports"] + d["Domestic HBM Capacity"] - d["die use"] * d["stacks per die"],
    "Power Pipeline": lambda d: d["power starts"] - d["power completions"],
    "Power Capacity": lambda d: d["power completions"] - 0.03 * d["Power Capacity"],
    "Installed Compute": lambda d: d["compute additions"] - d["Installed Compute"] / d["compute life"],
    "CN Developers": lambda d: d["CN dev flow"],
    "SME Stockpile": lambda d: d["advanced tools bought"] - d["SME Stockpile"] / d["tool install time"],
    "Distillation Corpus": lambda d: d["corpus inflow"] - d["Distillation Corpus"] / d["corpus life"],
    "Frontier Capability": lambda d: (
        (d["capability potential"] - d["Frontier Capability"]).clip(min=0) / d["training delay"]
    ),
}


@pytest.fixture(scope="module")
def model() -> Model:
    return trilemma.load_model("export_controls_v0")


@pytest.fixture(scope="module")
def runs(model: Model) -> xr.Dataset:
    """Run every entry of RUNS in one batch."""
    names = sorted({name for run in RUNS.values() for name in run})
    central = model.parameters.by_name
    values = {n: ("run", [float(run.get(n, central[n].central)) for run in RUNS.values()]) for n in names}
    return trilemma.simulate(model, xr.Dataset(values, coords={"run": list(RUNS)}))


def prior_draws(model: Model, count: int, seed: int) -> xr.Dataset:
    table = model.parameters
    uniforms = qmc.LatinHypercube(d=len(table.uncertain), rng=seed).random(count)
    limits = {variable.name: variable.limits for variable in model.variables.values()}
    return xr.Dataset({n: ("run", x) for n, x in sample_priors(table, uniforms, limits).items()})


@pytest.fixture(scope="module")
def draws(model: Model) -> xr.Dataset:
    """Run 500 random draws from the priors with every variable."""
    return trilemma.simulate(model, prior_draws(model, DRAWS, seed=5))


@pytest.fixture(scope="module")
def steps(model: Model) -> xr.Dataset:
    """Run eight random draws and save each step."""
    return trilemma.simulate(model, prior_draws(model, 8, seed=11), save_every=model.time_step)


def at(runs: xr.Dataset, run: str, name: str, time: float) -> xr.DataArray:
    return runs[name].sel(run=run, time=time)


def value(runs: xr.Dataset, run: str, name: str, time: float) -> float:
    return float(at(runs, run, name, time))


# -- whole model ----------------------------------------------------------------------------------


def test_random_draws_are_finite(draws: xr.Dataset) -> None:
    assert draws.sizes["run"] == DRAWS
    assert int(draws["result"].sum()) == 0
    assert [name for name in draws.data_vars if not np.isfinite(draws[name].values).all()] == []


def test_random_draws_stay_within_the_limits_of_the_file(model: Model, draws: xr.Dataset) -> None:
    """Each variable against the range that stands beside its unit: shares, indices, stocks of 0 or more."""
    outside: list[str] = []
    for variable in model.variables.values():
        if variable.limits is None or variable.name not in draws:
            continue
        low, high = variable.limits
        values = draws[variable.name].values
        slack = 1e-9 * max(1.0, float(np.abs(values).max()))
        if (low is not None and values.min() < low - slack) or (high is not None and values.max() > high + slack):
            outside.append(variable.name)
    assert outside == []


@pytest.mark.parametrize("name", RATCHETS)
def test_ratchets_never_fall(draws: xr.Dataset, name: str) -> None:
    assert float(draws[name].diff("time").min()) >= -1e-9


@pytest.mark.parametrize("stock", BALANCES)
def test_stocks_change_by_their_flows(model: Model, steps: xr.Dataset, stock: str) -> None:
    """Euler's rule at each step, to 1e-9 of the largest value: nothing appears or gets lost."""
    flow = BALANCES[stock](steps).transpose(*steps[stock].dims)
    change = steps[stock].values[:, 1:] - steps[stock].values[:, :-1]
    expected = model.time_step * flow.values[:, :-1]
    scale = np.abs(steps[stock].values).max()
    np.testing.assert_allclose(change, expected, rtol=0, atol=1e-9 * scale)


def test_half_the_time_step_changes_headlines_little(model: Model) -> None:
    """The specification allows 3 % on compute and 0.2 month on the lag; it looks at the rivals in 2030.

    A fault of version 0: beyond that year and in third countries the step of 1/32 year is a little coarse. The
    error there is up to 5 % of compute and 0.4 month of the in-model lag.
    """
    names = ["effective compute", "compute ratio US CN", "capability lag months", "capability gap", "exact lag"]
    coarse = trilemma.simulate(model, outcomes=names)
    fine = trilemma.simulate(model, outcomes=names, time_step=model.time_step / 2)
    compute = abs(fine["effective compute"] / coarse["effective compute"] - 1)
    lag = abs(fine["capability lag months"] - coarse["capability lag months"])
    assert float(compute.sel(time=2030, actor=["US", "CN"]).max()) < 0.03
    assert float(lag.sel(time=2030)) < 0.2
    exact = coarse["exact lag"].sel(time=[2023.5, 2025, 2026, 2030, 2035])
    np.testing.assert_allclose(exact, [9.1, 11.0, 11.9, 20.0, 27.7], atol=0.051, err_msg="as specified")
    late = slice(2024, None)
    assert float(compute.sel(time=late).max()) < 0.05
    assert float(lag.sel(time=late).max()) < 0.4
    ratio = abs(fine["compute ratio US CN"] / coarse["compute ratio US CN"] - 1)
    assert float(ratio.sel(time=late).max()) < 0.03
    assert float(abs(fine["capability gap"] - coarse["capability gap"]).max()) < 0.01


# -- policy ---------------------------------------------------------------------------------------


def test_full_law_raises_control_steadily_to_viability(model: Model, runs: xr.Dataset) -> None:
    control = runs["Effective Control"].sel(run="full law")
    assert float(control.diff("time").min()) >= 0
    viability = [model.parameters.by_name[f"viability[{layer}]"].central for layer in LAYERS]
    np.testing.assert_allclose(control.isel(time=-1), viability, rtol=1e-3)


def test_levers_do_nothing_before_the_policy_starts(runs: xr.Dataset) -> None:
    early = runs.sel(time=slice(None, 2026.75))
    for run in ("weights open", "subsidy", "many inspectors", "retaliation", "api 0", "chip 0"):
        for name in ("Frontier Capability", "effective compute", "US AI revenue", "Ecosystem"):
            np.testing.assert_array_equal(early[name].sel(run=run), early[name].sel(run="base"))


def test_more_inspectors_strengthen_control_and_cut_smuggling(runs: xr.Dataset) -> None:
    few, many = (at(runs, run, "Effective Control", 2030) for run in ("few inspectors", "many inspectors"))
    assert (many >= few).all()
    smuggled = [value(runs, run, "Smuggling Capacity", 2030) for run in ("few inspectors", "many inspectors")]
    assert smuggled[1] < smuggled[0]


# -- access to model interfaces -------------------------------------------------------------------


def test_open_interfaces_cost_nothing_and_fill_the_corpus(runs: xr.Dataset) -> None:
    assert float(runs["effective access"].sel(run="open api").min()) == 1
    assert float(np.abs(runs["transaction cost"].sel(run="open api")).max()) == 0
    # lab token appetite 400 Btok/Year, corpus life 1 year
    assert value(runs, "open api", "Distillation Corpus", 2035) == pytest.approx(400, rel=1e-4)


def test_more_blocking_means_less_access_and_less_use(runs: xr.Dataset) -> None:
    access = np.stack([at(runs, f"api {x:g}", "effective access", 2030).values for x in API_STEPS])
    assert (np.diff(access, axis=0) < 0).all()
    use = [value(runs, f"api {x:g}", "CN use of US outputs", 2030) for x in API_STEPS]
    assert (np.diff(use) < 0).all()


def test_labs_get_through_better_than_firms_and_firms_better_than_casual_users(draws: xr.Dataset) -> None:
    """Holds for the central skills; random draws of the skills may change the order, so medians are compared."""
    access = draws["effective access"].sel(time=2030).median("run")
    assert float(access.sel(segment="Lab")) > float(access.sel(segment="Enterprise"))
    assert float(access.sel(segment="Enterprise")) > float(access.sel(segment="Casual"))


def test_parts_of_access_add_up(draws: xr.Dataset) -> None:
    parts = draws["direct access"] + draws["proxy access"] + draws["shell access"]
    assert float(abs(parts.clip(max=1) - draws["effective access"]).max()) < 1e-12


def test_sealed_interfaces_starve_the_corpus_but_give_nothing_back(model: Model) -> None:
    """Without proxies and shells access goes to 0; what has leaked stays leaked."""
    ds = trilemma.simulate(
        model,
        {"API history switch": 1, "API control lever": 1, "proxy build rate": 0, "shell build rate": 0},
        initial={"Proxy Capacity": 0, "Shell Network": 0},
        outcomes=["effective access", "Distillation Corpus", "Captured Teacher Capability"],
    )
    assert float(ds["effective access"].sel(time=2035).max()) < 1e-9
    assert float(ds["Distillation Corpus"].sel(time=2035)) < 0.01 * float(ds["Distillation Corpus"].max())
    assert float(ds["Captured Teacher Capability"].diff("time").min()) >= 0


# -- developers and open weights ------------------------------------------------------------------


@pytest.mark.parametrize("where", ["CN", "ROW"])
def test_developers_are_conserved_over_platforms(draws: xr.Dataset, where: str) -> None:
    total = draws[f"{where} dev flow"].sum("platform")
    new = draws[f"new {where} devs"]
    np.testing.assert_allclose(total, new, rtol=0, atol=1e-9 * float(draws[f"total {where} devs"].max()))


def test_equal_platforms_end_with_equal_shares(runs: xr.Dataset) -> None:
    for where in ("CN", "ROW"):
        developers = at(runs, "equal platforms", f"{where} Developers", 2035)
        np.testing.assert_allclose(developers / developers.sum(), 0.25, atol=1e-6)


def test_closing_releases_takes_back_influence_but_no_copies(runs: xr.Dataset) -> None:
    closed = runs.sel(run="weights closed", time=slice(2026.75, None))
    for name in ("Open Capability", "Open Downloads"):
        assert float(closed[name].diff("time").min()) >= 0
    ecosystem = closed["Ecosystem"].sel(origin="West")
    assert float(ecosystem.sel(time=2035)) < 0.5 * float(ecosystem.max())
    share = [value(runs, f"weights {x}", "West standards share", 2035) for x in ("closed", "open")]
    assert share[0] < value(runs, "base", "West standards share", 2035) < share[1]


# -- economy --------------------------------------------------------------------------------------


def test_lost_revenue_is_harmless_when_nothing_is_bound_to_revenue(runs: xr.Dataset) -> None:
    assert value(runs, "much lost", "Cumulative Lost Revenue", 2035) > 1.5 * value(
        runs, "little lost", "Cumulative Lost Revenue", 2035
    )
    for name in ("AI Investment", "US RD Spend", "Frontier Capability"):
        np.testing.assert_array_equal(runs[name].sel(run="little lost"), runs[name].sel(run="much lost"))


def test_retention_is_a_share(draws: xr.Dataset) -> None:
    assert float(draws["revenue retention"].min()) > 0
    assert float(draws["revenue retention"].max()) <= 1


def test_bound_research_misses_its_intensity_of_each_lost_dollar(runs: xr.Dataset) -> None:
    """An identity inside one run (a known fault: it should be the difference of two runs)."""
    run = runs.sel(run="revenue bound")
    lost = run["lost chip revenue"] * 0.6 + run["lost model revenue"]
    np.testing.assert_allclose(run["RD counterfactual"] - run["US RD Spend"], 0.18 * lost, atol=1e-9)


def test_lost_revenue_is_nil_without_controls_refusal_and_fee(runs: xr.Dataset) -> None:
    """Nearly: a little chip revenue counts as lost whenever supply is short."""
    assert value(runs, "never", "Cumulative Lost Revenue", 2030) < 0.02 * value(
        runs, "base", "Cumulative Lost Revenue", 2030
    )


# -- compute --------------------------------------------------------------------------------------


def test_shipments_fit_in_allied_capacity(draws: xr.Dataset) -> None:
    ordered = draws["AI chip demand"].sel(actor="US") + draws["AI chip demand"].sel(actor="NT")
    shipped = (ordered + draws["CN legal demand"]) * draws["fill ratio"]
    capacity = np.maximum(1, draws["usable allied capacity"])
    assert float((shipped / capacity).max()) <= 1 + 1e-9


def test_sealed_borders_stop_all_but_a_trickle(runs: xr.Dataset) -> None:
    """Legal and leased compute go to nil; smuggling keeps 3 KH100e a year.

    A fault of version 0: the smuggling ceiling has a floor of 3, and control itself seeds the networks.
    """
    assert value(runs, "sealed", "legal imports", 2030) < 1e-6
    assert value(runs, "sealed", "Leased Compute", 2030) < 1e-4 * value(runs, "base", "Leased Compute", 2030)
    assert value(runs, "sealed", "smuggled imports", 2030) <= 3


def test_nobody_smuggles_without_controls(runs: xr.Dataset) -> None:
    assert float(runs["Smuggling Capacity"].sel(run="never").max()) == 0


def test_price_is_cost_when_supply_is_ample(draws: xr.Dataset) -> None:
    cost = 1 / draws["Hardware Efficiency"]
    ample = draws["Perceived Scarcity"] <= 1
    assert int(ample.sum()) > 0
    ratio = (draws["price per H100e"] / cost).where(ample)
    assert float(np.abs(ratio - 1).max()) < 1e-12
    assert float((draws["price per H100e"] / cost).min()) >= 1 - 1e-12


def test_chip_controls_widen_the_gap_once_china_buys_what_it_may(runs: xr.Dataset) -> None:
    """Only with the import refusal at 0.

    A fault of version 0: the refusal acts whatever the law is, and chips never controlled give a larger gap than
    chips controlled as enacted.
    """
    gaps = [value(runs, f"chip {x:g}", "capability gap", 2030) for x in CHIP_STEPS]
    ratios = [value(runs, f"chip {x:g}", "compute ratio US CN", 2030) for x in CHIP_STEPS]
    assert (np.diff(gaps) > 0).all()
    assert (np.diff(ratios) > 0).all()
    assert value(runs, "chips never", "legal imports", 2030) < value(runs, "chip 0", "legal imports", 2030)


# -- China's hardware chain -----------------------------------------------------------------------


def test_output_is_the_weakest_link(draws: xr.Dataset) -> None:
    links = [draws["Packaging Capacity CN"], draws["die limit"], draws["HBM limit"]]
    weakest = np.minimum(links[0], np.minimum(links[1], links[2]))
    np.testing.assert_allclose(draws["die use"], weakest, rtol=1e-12)
    assert set(np.unique(draws["binding layer"])) <= {2.0, 3.0, 4.0}


def test_memory_control_bites_late(runs: xr.Dataset) -> None:
    """Stocks carry output for two years after the control of 2025; then it stalls for a year."""
    ratio = {
        t: value(runs, "base", "domestic chip output", t) / value(runs, "memory free", "domestic chip output", t)
        for t in (2025.5, 2026, 2026.5, 2027, 2028)
    }
    assert all(abs(ratio[t] - 1) < 0.01 for t in (2025.5, 2026, 2026.5, 2027))
    assert ratio[2028] < 0.75
    assert value(runs, "base", "binding layer", 2028) == 3


def test_lithography_control_barely_matters(runs: xr.Dataset) -> None:
    """A fault of version 0: with no path for imports the control only speeds up China's own tools."""
    never, base = (value(runs, run, "capability gap", 2030) for run in ("lithography never", "base"))
    assert 0 < never - base < 0.05 * base


# -- capability -----------------------------------------------------------------------------------


def test_equal_rivals_run_level_and_ten_times_compute_is_one_order(model: Model) -> None:
    """Same money, compute and start, no help from outside: same frontier; second run with ten times the compute."""
    actors = ["US", "CN", "NT"]
    compute = xr.DataArray([[1e3] * 3, [1e4] * 3], dims=("run", "actor"), coords={"actor": actors})
    ds = trilemma.simulate(
        model,
        xr.Dataset(
            {
                "effective compute": compute,
                "AI Investment": xr.DataArray([50.0] * 3, dims="actor", coords={"actor": actors}),
                "run concentration CN": 1.0,
                "run concentration US": 1.0,
                "spill rate": 0.0,
                "distill max": 0.0,
                "open weight efficacy": 0.5,
            }
        ),
        initial={"Research Stock CN": 1.0, "Frontier Capability": 22.0},
        outcomes=["Frontier Capability", "potential US", "own potential CN", "log run FLOP US", "reducible loss"],
    )
    frontier = ds["Frontier Capability"]
    np.testing.assert_allclose(frontier.sel(rival="US"), frontier.sel(rival="CN"), atol=1e-9)
    run_flop = ds["log run FLOP US"]
    np.testing.assert_allclose(run_flop.isel(run=1) - run_flop.isel(run=0), 1, atol=1e-9)
    loss = ds["reducible loss"]
    np.testing.assert_allclose(loss.isel(run=1) / loss.isel(run=0), 10**-0.154, rtol=1e-9)


def test_distillation_gain_is_bounded_and_vanishes_at_parity(draws: xr.Dataset) -> None:
    """Bounded by its largest value and by the slope at parity.

    A fault of version 0: with a steep slope (large saving, small gap scale) the gain may exceed the distance to the
    teacher, so distillation alone can carry China past it.
    """
    gain, gap = draws["distillation gain"], draws["teacher gap"]
    assert float((gain - draws["distill max"]).max()) <= 1e-9
    slope = draws["distill max"] / draws["gap scale"]
    assert float((gain - slope * gap).max()) <= 1e-9
    assert float(np.abs(gain.where(gap == 0)).max()) == 0
    assert float((draws["student cost ratio"] - 10**-gain).max()) < 1e-12


def test_without_distillation_the_lead_is_longer(runs: xr.Dataset) -> None:
    assert value(runs, "no distillation", "capability gap", 2030) > value(runs, "base", "capability gap", 2030)


# -- physical, retaliation, indices ---------------------------------------------------------------


def test_subsidy_speeds_up_the_united_states_alone(runs: xr.Dataset) -> None:
    delay = at(runs, "subsidy", "delay now", 2030) / at(runs, "base", "delay now", 2030)
    ceiling = at(runs, "subsidy", "build ceiling", 2030) / at(runs, "base", "build ceiling", 2030)
    np.testing.assert_allclose(delay, [0.7, 1, 1], rtol=0.01)
    np.testing.assert_allclose(ceiling, [1.6, 1, 1], rtol=1e-12)


def test_retaliation_stays_below_full_strength_and_costs_minerals(draws: xr.Dataset, runs: xr.Dataset) -> None:
    assert float(draws["Retaliation Intensity"].max()) < 1
    shortfall = [value(runs, run, "Mineral Shortfall", 2030) for run in ("no retaliation", "base", "retaliation")]
    assert (np.diff(shortfall) > 0).all()


def test_lowest_index_is_the_lowest(draws: xr.Dataset) -> None:
    goals = [draws[f"{goal} index"] for goal in ("commercial dominance", "containment", "innovation")]
    lowest = np.minimum(goals[0], np.minimum(goals[1], goals[2]))
    np.testing.assert_array_equal(draws["trilemma minimum"], lowest)


def test_cases_of_the_specification_are_reproduced(runs: xr.Dataset) -> None:
    """Lag in months in 2030, as the specification's table has it (central values)."""
    expected = {"base": 21.0, "subsidy": 22.0, "weights open": 20.1, "retaliation": 21.0, "never": 17.1}
    for run, lag in expected.items():
        assert value(runs, run, "capability lag months", 2030) == pytest.approx(lag, abs=0.051), run
    np.testing.assert_allclose(value(runs, "base", "Cumulative Lost Revenue", 2030), 353, atol=0.5)
