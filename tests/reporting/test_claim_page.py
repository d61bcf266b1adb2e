"""The page of claims: one section each, figures that carry what they show, stale or not, checked."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
import xarray as xr

from tests.small_project import Workspace
from trilemma.forecasting.claim_file import Claim, Condition
from trilemma.forecasting.claims import Finding, judge
from trilemma.reporting import claim_blocks, claim_figures
from trilemma.reporting.claim_study import ClaimStudy
from trilemma.reporting.manifest import read_numbers

RECORD = """
[H2]
title = "As the record says"
says = "Sales rose < before."
tested = "By sales."
change = "Other sales."
[[H2.record]]
title = "Sales doubled"
series = "sales"
during = [2023-01-01, 2023-12-31]
against = [2022-01-01, 2022-12-31]
above = 1.5
"""
OBSERVATIONS = """series,period_start,period_end,value,unit,low,high,grade,kind,source,url,note
sales,2022-01-01,2022-12-31,2,USD bn,,,A,observation,Accounts,https://example.org/a,
sales,2023-01-01,2023-12-31,5,USD bn,,,A,observation,Accounts,https://example.org/a,
"""


@pytest.fixture(scope="module")
def study() -> ClaimStudy:
    """Return a claim that turns on one assumption and on the variant, over 600 draws."""
    rng = np.random.default_rng(8)
    draws = 600
    effect, strong = rng.uniform(size=draws), np.arange(draws) % 4 < 2
    gap = np.stack([np.ones((draws, 2)), 1 + np.outer(effect * (0.5 + strong), [0, 1])])
    data = xr.Dataset(
        {
            "gap": (("scenario", "draw", "time"), gap, {"units": "OOM"}),
            "parameter:effect": ("draw", effect, {"name": "effect", "units": "OOM"}),
        },
        {
            "scenario": np.array(["base", "policy"], dtype=object),
            "time": [2020.0, 2030.0],
            "variant": ("draw", np.where(strong, "strong", "weak").astype(object)),
            "design_draw": ("draw", np.arange(draws)),
        },
        {"title": "A trial", "variants": '{"strong": {"title": "Strong link"}, "weak": {"title": "Weak link"}}'},
    )
    paired = {"scenario": "policy", "against": "base", "at": 2030, "where": "claims.toml"}
    conditions = (
        Condition.model_validate({"title": "Gap", "metric": "gap", "above": 0.2, **paired}),
        Condition.model_validate({"title": "Ratio", "metric": "gap", "paired": "shortfall", "below": 5, **paired}),
    )
    claim = Claim(name="H1", title="More <gap>", says="s & t", tested="t", change="c", condition=conditions)
    return ClaimStudy(data, (claim,), {"H1": judge(data, [claim])[0]}, {})


@pytest.fixture(scope="module")
def finding(study: ClaimStudy) -> Finding:
    return study.findings["H1"]


def test_the_bars_of_a_metric_sum_to_the_draws_and_part_at_the_threshold(finding: Finding) -> None:
    figure = claim_figures.metric_chart(finding)
    gap = figure.axes[0]
    heights = {"blue": 0.0, "hatched": 0.0}
    for bar in gap.patches:
        middle = bar.get_x() + bar.get_width() / 2  # type: ignore[attr-defined]
        kind = "hatched" if bar.get_hatch() else "blue"
        heights[kind] += bar.get_height()  # type: ignore[attr-defined]
        if bar.get_height() > 0:  # type: ignore[attr-defined]
            assert (middle > 0.2) == (kind == "blue")
    assert heights["blue"] == pytest.approx(100 * finding.conditions[0].share)
    assert sum(heights.values()) == pytest.approx(100)
    assert figure.axes[1].get_xlabel() == "%"
    assert "undecided" in figure.get_suptitle()


def test_a_metric_that_is_the_same_in_every_draw_can_be_drawn(study: ClaimStudy) -> None:
    flat = Condition.model_validate({"title": "t", "metric": "gap", "scenario": "base", "at": 2030, "above": 1})
    claim = Claim(name="H", title="t", says="s", tested="t", change="c", condition=(flat,))
    (found,) = judge(study.data, [claim])
    assert isinstance(claim_figures.metric_chart(found), matplotlib.figure.Figure)


def test_what_a_verdict_turns_on_is_drawn_by_assumption_and_by_variant(study: ClaimStudy, finding: Finding) -> None:
    assert claim_figures.assumptions_of(finding) == ["effect"]
    figure = claim_figures.verdict_chart(finding, study.data, study.variants)
    effect, variants = figure.axes
    assert effect.get_xlabel() == "OOM"
    shares = effect.lines[0].get_ydata()
    assert np.asarray(shares)[-1] > np.asarray(shares)[0]
    assert [label.get_text() for label in variants.get_xticklabels()] == ["Strong link", "Weak link"]
    heights = [bar.get_height() for bar in variants.patches]  # type: ignore[attr-defined]
    assert heights == pytest.approx([100 * part for _, part in finding.by_variant.values()])


def test_the_page_of_a_claim_has_all_its_parts_and_escapes_what_it_is_given(study: ClaimStudy) -> None:
    html = claim_blocks.overview(study).html + claim_blocks.claims(study).html
    for part in (
        "H1. More &lt;gap&gt;",
        "s &amp; t",
        "How it is tested",
        "Where the verdict flips",
        "What would change it",
    ):
        assert part in html
    assert html.count("<figure>") == 2
    assert re.search(r"It holds in \d+ % ± \d of 600 draws", html)
    assert "Supported under ‘Strong link’" in html


@pytest.mark.slow
def test_claims_are_rendered_from_the_results_of_a_forecast(workspace: Workspace) -> None:
    model = workspace.folder / "models" / "small"
    (model / "observations.csv").write_text(OBSERVATIONS)
    claims = model / "claims.toml"
    claims.write_text(claims.read_text() + RECORD)
    words = ("report", "trial", "--notebook", "claims")
    page = workspace.reports / "trial.claims.html"
    listed = workspace.run(*words).succeeded().split()
    assert [Path(name).name for name in listed] == [page.name, "trial.claims.manifest.json"]
    numbers = read_numbers(page.read_text(encoding="utf-8"), "the page")["claims"]
    assert (numbers["H1"]["verdict"], numbers["H1"]["probability"]) == ("supported", 1)
    assert numbers["H2"] == {"verdict": "supported", "ratios": {"Sales doubled": 2.5}}
    made = page.stat().st_mtime_ns
    workspace.run(*words).succeeded()
    assert page.stat().st_mtime_ns == made
    workspace.run(*words, "--check").succeeded()
    workspace.edit("models/small/claims.toml", "above = 0.05", "above = 0.9")
    assert "H1 / verdict: supported became rejected" in workspace.run(*words, "--check").failed(1)
    workspace.run(*words).succeeded()
    assert ">rejected<" in page.read_text(encoding="utf-8")
    workspace.edit("models/small/claims.toml", 'tested = "By sales."', "")
    assert "the key 'H2.tested' is missing" in workspace.run(*words).failed()
