"""A small made-up result with the structure of a real store: smooth curves, noise from three parameters."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

SCENARIOS = {
    "as_enacted": "Controls as enacted",
    "never_controlled": "Never controlled",
    "api_geofence_only": "API geofence only",
    "hardware_only": "Hardware controls only",
    "full_stack_tight": "Full stack, tight",
}
EFFECTS = {
    "as_enacted": 0.0,
    "never_controlled": -3.0,
    "api_geofence_only": -2.5,
    "hardware_only": 0.01,
    "full_stack_tight": 4.0,
}
OUTCOMES = {
    "exact lag": ("Month", 12.0),
    "capability gap": ("OOM", 0.8),
    "compute ratio US CN": ("Dmnl", 9.0),
    "leased share of CN": ("Dmnl", 0.15),
    "self sufficiency": ("Dmnl", 0.3),
    "Cumulative Lost Revenue": ("BUSD", 200.0),
    "US RD Spend": ("BUSD/Year", 40.0),
    "RD shortfall fraction": ("Dmnl", 0.05),
    "commercial dominance index": ("Dmnl", 70.0),
    "containment index": ("Dmnl", 60.0),
    "innovation index": ("Dmnl", 65.0),
}


def synthetic_results(draws: int = 10, scenarios: tuple[str, ...] = tuple(SCENARIOS)) -> xr.Dataset:
    """Return made-up results on (scenario, draw, time)."""
    rng = np.random.default_rng(7)
    time = np.arange(2018.0, 2035.01, 0.25)
    alpha, beta, gamma = rng.uniform(size=(3, draws))
    effect = np.array([EFFECTS[name] for name in scenarios])[:, None, None]
    after = np.clip(time - 2020.0, 0, None) / 10
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for position, (name, (_, level)) in enumerate(OUTCOMES.items()):
        spread = 0.7 + 0.6 * alpha - 0.1 * position / 10 * beta
        path = level * spread[None, :, None] * (1 + 0.04 * (time - 2018)[None, None, :])
        response = level / 12 * effect * after[None, None, :] * (0.6 + 0.8 * gamma[None, :, None])
        data[name] = (("scenario", "draw", "time"), (path + response).astype("float32"))
    indices = [name for name in OUTCOMES if name.endswith("index")]
    for name in indices:
        data[name] = (data[name][0], np.clip(data[name][1], 0, 100))
    data["exact lag"][1][:, 0, :20] = np.nan
    rivals = np.stack([data["capability gap"][1] + 25, data["capability gap"][1] * 0 + 25], axis=-1)
    data["Frontier Capability"] = (("scenario", "draw", "time", "rival"), rivals)
    results = xr.Dataset(data)
    for name, (unit, _) in OUTCOMES.items():
        results[name].attrs.update(units=unit, long_name=name, description=name)
    results["Frontier Capability"].attrs.update(units="OOM", long_name="frontier", description="frontier")
    results["result"] = (("scenario", "draw"), np.zeros((len(scenarios), draws), "int8"))
    for name, values in {"distill max": alpha, "viability[CLD]": beta, "spill rate": gamma}.items():
        results[f"parameter:{name}"] = ("draw", values)
    texts = np.array(scenarios, dtype=object)
    results = results.assign_coords(
        scenario=texts,
        draw=np.arange(draws),
        time=time,
        rival=np.array(["US", "CN"], dtype=object),
        scenario_title=("scenario", np.array([SCENARIOS[name] for name in scenarios], dtype=object)),
    )
    results.attrs = {
        "forecast": "policy_comparison",
        "title": "A made-up comparison",
        "sentence": "What would the curves do?",
        "model": "export_controls",
        "model_title": "Export controls on frontier AI",
        "model_version": "0",
        "model_status": "structure under revision",
        "model_hash": "a" * 64,
        "parameters_hash": "b" * 64,
        "forecast_hash": "c" * 64,
        "seed": 7,
        "draws": draws,
        "design": "latin_hypercube",
        "baseline": "as_enacted",
        "method": "euler",
        "time_step": 0.03125,
        "versions": json.dumps({"trilemma": "0.1.0", "xarray": xr.__version__}),
        "command": "trilemma sweep policy_comparison",
        "created": "2026-11-23T00:00:00+00:00",
        "scenarios": json.dumps(
            {
                name: {
                    "title": SCENARIOS[name],
                    "sentence": f"What if {SCENARIOS[name].lower()}?",
                    "overrides": {"control lever": {"CHIP": 1, "CLD": 0.35}, "history switch": 0},
                    "initial": {},
                    "key": name,
                }
                for name in scenarios
            }
        ),
    }
    return results
