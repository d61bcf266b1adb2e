"""Named loops: read with their mistakes said, held against exact slopes, and scored as Loops that Matter has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import simlin
import xarray as xr

from trilemma.content import list_models
from trilemma.engine.links import link_slopes
from trilemma.engine.simulate import simulate
from trilemma.errors import LoopsFileError, TrilemmaError, UnknownNameError
from trilemma.translation.loops import read_loops
from trilemma.translation.model import Model, load_model
from trilemma.validation.loops import loop_checks, loop_scores

CLOCK = """
INITIAL TIME= 0 ~ Year ~|
FINAL TIME= {final} ~ Year ~|
TIME STEP= 0.03125 ~ Year ~|
SAVEPER= 0.03125 ~ Year ~|
"""
CROWDED = """{UTF-8}
Population= INTEG(births - deaths, 10) ~ Person ~|
births= birth rate*Population ~ Person/Year ~|
birth rate= 0.4 ~ 1/Year ~|
deaths= Population*crowding/lifetime ~ Person/Year ~|
crowding= Pressure^2 ~ Dmnl ~|
Pressure= INTEG(change of pressure, 0.1) ~ Dmnl ~|
change of pressure= (Population/capacity - Pressure)/delay ~ 1/Year ~|
delay= 3 ~ Year ~|
capacity= 100 ~ Person ~|
lifetime= 5 ~ Year ~|
"""
CROWDED_LOOPS = """
[Births]
polarity = "R"
sentence = "More people have more children."
path = ["Population", "births"]
signs = "++"
[Deaths]
polarity = "B"
sentence = "More people die."
path = ["Population", "deaths"]
[Crowding]
polarity = "B"
sentence = "A crowd shortens lives."
path = ["Population", "change of pressure", "Pressure", "crowding", "deaths"]
[Adjustment]
polarity = "B"
sentence = "Pressure comes to what it should be."
path = ["Pressure", "change of pressure"]
"""
LINKS = """{UTF-8}
actor: US, CN, NT ~~|
rival: US, CN ~~|
x[actor]= INTEG(0.1*y[actor], 1) ~ Dmnl ~|
y[actor]= x[actor]^2 + 3*total ~ Dmnl ~|
total= SUM(x[actor!]*w[actor!]) ~ Dmnl ~|
w[actor]= 1, 2, 3 ~ Dmnl ~|
z[US]= 5*x[US] ~ Dmnl ~| z[CN]= -x[CN]*Time ~ Dmnl ~|
best= VMAX(z[rival!]) ~ Dmnl ~|
smoothed[rival]= SMOOTH(x[rival], 4) ~ Dmnl ~|
delayed= DELAY3(7*total, 6) ~ Dmnl ~|
read= table(total) ~ Dmnl ~|
table((0,0),(7,1),(1e6,999994)) ~ Dmnl ~|
capped= MIN(total, 4) ~ Dmnl ~|
"""


def _model(folder: Path, text: str, loops: str = "", final: int = 20) -> Model:
    path = folder / "looped.mdl"
    path.write_text(text + CLOCK.format(final=final), encoding="utf-8")
    (folder / "loops.toml").write_text(loops, encoding="utf-8")
    return load_model(path)


# -------------------------------------------------------------------------------------------------------- exact slopes


def test_slopes_of_links_are_the_partial_derivatives_of_their_equations(tmp_path: Path) -> None:
    model = _model(tmp_path, LINKS, final=1)
    pairs = [
        ("x[CN]", "y[CN]"),
        ("total", "y[NT]"),
        ("y[US]", "x[US]"),
        ("x[NT]", "total"),
        ("x[CN]", "z[CN]"),
        ("z[US]", "best"),
        ("z[CN]", "best"),
        ("total", "read"),
        ("total", "capped"),
        ("x[US]", "smoothed[US]"),
        ("total", "delayed"),
    ]
    found = link_slopes(model, [(model.resolve(a), model.resolve(b)) for a, b in pairs])
    run = simulate(model)
    slopes = {pair: slope[:, 0] for pair, slope in zip(pairs, found.links, strict=True)}
    total = run["total"].values
    expected = {
        ("x[CN]", "y[CN]"): 2 * run["x"].sel(actor="CN").values,
        ("total", "y[NT]"): 3.0,
        ("y[US]", "x[US]"): 0.1,
        ("x[NT]", "total"): 3.0,
        ("x[CN]", "z[CN]"): -run["time"].values,
        ("z[US]", "best"): 1.0,
        ("z[CN]", "best"): 0.0,
        ("total", "read"): np.where(total < 7, 1 / 7, 1.0),
        ("total", "capped"): np.where(total < 4, 1.0, 0.0),
        ("x[US]", "smoothed[US]"): 1 / 4,
        ("total", "delayed"): 7 / 2**3,
    }
    for pair, value in expected.items():
        np.testing.assert_allclose(
            slopes[pair], np.broadcast_to(value, slopes[pair].shape), rtol=1e-12, err_msg=str(pair)
        )


def test_net_flows_along_links_are_those_of_the_run(tmp_path: Path) -> None:
    model = _model(tmp_path, LINKS, final=1)
    found = link_slopes(model, [(model.resolve("y[CN]"), model.resolve("x[CN]"))])
    [(stock,)] = found.stocks
    path = simulate(model, outcomes=["x[CN]"])["x[CN]"].values
    np.testing.assert_allclose(found.net_flows[stock][:-1, 0] * model.time_step, np.diff(path), rtol=1e-9)


def test_slopes_of_a_batch_are_those_of_its_runs(tmp_path: Path) -> None:
    model = _model(tmp_path, CROWDED, CROWDED_LOOPS)
    links = [link for loop in read_loops(model) for link in loop.links]
    capacities = [50.0, 100.0]
    batch = link_slopes(model, links, xr.Dataset({"capacity": ("run", capacities)}), save_every=1)
    for run, capacity in enumerate(capacities):
        single = link_slopes(model, links, {"capacity": capacity}, save_every=1)
        for many, one in zip(batch.links, single.links, strict=True):
            np.testing.assert_allclose(many[:, run], one[:, 0], rtol=1e-9, atol=1e-12)


# -------------------------------------------------------------------------------------------------------------- checks


def test_loops_that_are_as_stated_pass(tmp_path: Path) -> None:
    found = loop_checks(_model(tmp_path, CROWDED, CROWDED_LOOPS), draws=0)
    assert [check.name for check in found] == ["R1 Births", "B1 Deaths", "B2 Crowding", "B3 Adjustment"]
    assert {check.verdict for check in found} == {"passed"}
    assert found[0].measured == "R in 100 %"


@pytest.mark.parametrize(
    ("before", "after", "name", "said"),
    [
        ('polarity = "R"', 'polarity = "B"', "B1 Births", "opposite"),
        ('signs = "++"', 'signs = "--"', "R1 Births", "expected -"),
        ('path = ["Population", "deaths"]', 'path = ["Population", "crowding"]', "B1 Deaths", "does not follow from"),
    ],
)
def test_a_loop_that_is_not_as_stated_fails(tmp_path: Path, before: str, after: str, name: str, said: str) -> None:
    text = CROWDED_LOOPS.replace(before, after, 1)
    if 'polarity = "B"' in after:
        text = text.replace('signs = "++"\n', "")
    found = {check.name: check for check in loop_checks(_model(tmp_path, CROWDED, text), draws=0)}
    assert found[name].verdict == "failed"
    assert said in found[name].sentence


def test_a_stock_may_be_a_loop_by_itself(tmp_path: Path) -> None:
    loops = '[Wear]\npolarity = "B"\nsentence = "."\npath = ["S"]\n'
    model = _model(tmp_path, "{UTF-8}\nS= INTEG(-S/4, 1) ~ Dmnl ~|\n", loops)
    assert [check.measured for check in loop_checks(model)] == ["B in 100 %"]
    np.testing.assert_allclose(loop_scores(model)["share"], -1.0)


TURNING = """{UTF-8}
S= INTEG(push, 0.1) ~ Dmnl ~|
push= S*(1 - lever*S) ~ Dmnl ~|
lever= 1 ~ Dmnl ~|
"""
TURNING_LOOP = """
[Turning]
polarity = "R"
sentence = "It grows."
path = ["S", "push"]
"""


def test_a_link_that_changes_its_sign_is_reported(tmp_path: Path) -> None:
    [check] = loop_checks(_model(tmp_path, TURNING, TURNING_LOOP), draws=0)
    assert check.verdict == "failed"
    assert "'S' to 'push' is + in" in check.sentence
    [check] = loop_checks(_model(tmp_path, TURNING, TURNING_LOOP + 'reverses = "Above a half it saturates."'), draws=0)
    assert check.verdict == "explained"
    assert check.sentence.startswith("Above a half it saturates; 'S' to 'push'")


def test_drawn_parameters_and_levers_are_states_too(tmp_path: Path) -> None:
    head = "name,unit,central,low,high,prior,role,source,note\n"
    (tmp_path / "parameters.csv").write_text(head + "lever,Dmnl,1,-1,1,,lever,assumption,\n", encoding="utf-8")
    text = TURNING.replace("0.1)", "0.01)").replace("S*(1 - lever*S)", "lever*S/20")
    model = _model(tmp_path, text, TURNING_LOOP)
    [base] = loop_checks(model, draws=0)
    [drawn] = loop_checks(model, draws=15)
    assert (base.verdict, base.measured) == ("passed", "R in 100 %")
    assert drawn.verdict == "failed"
    assert "reversed in" in drawn.measured


def test_a_loop_that_never_acts_fails(tmp_path: Path) -> None:
    text = TURNING.replace("S*(1 - lever*S)", "IF THEN ELSE(S > -1, 1, S)")
    [check] = loop_checks(_model(tmp_path, text, TURNING_LOOP), draws=0)
    assert (check.verdict, check.measured) == ("failed", "idle in 100 %")


@pytest.mark.parametrize("path", list_models(), ids=lambda path: path.parent.name)
def test_the_loops_of_a_shipped_model_are_as_stated(path: Path) -> None:
    assert [check for check in loop_checks(load_model(path)) if not check.passes] == []


# -------------------------------------------------------------------------------------------------------------- scores


def test_shares_of_logistic_growth_are_those_of_its_closed_form(tmp_path: Path) -> None:
    text = """{UTF-8}
S= INTEG(births - deaths, 1) ~ Dmnl ~|
births= 0.5*S ~ Dmnl ~|
deaths= 0.5*S^2/100 ~ Dmnl ~|
"""
    loops = """
[births]
polarity = "R"
sentence = "."
path = ["S", "births"]
[deaths]
polarity = "B"
sentence = "."
path = ["S", "deaths"]
"""
    model = _model(tmp_path, text, loops)
    scores, stock = loop_scores(model, save_every=1), simulate(model, save_every=1)["S"]
    reinforcing = 1 / (1 + 2 * stock / 100)
    np.testing.assert_allclose(scores["share"].sel(loop="births"), reinforcing, rtol=1e-9)
    np.testing.assert_allclose(scores["share"].sel(loop="deaths"), reinforcing - 1, rtol=1e-9)


def test_shares_are_those_of_loops_that_matter_in_pysimlin(tmp_path: Path) -> None:
    model = _model(tmp_path, CROWDED, CROWDED_LOOPS)
    shares = loop_scores(model)["share"]
    peers = {
        frozenset(v.lower().replace(" ", "_") for v in p.variables): p for p in simlin.load(model.path).run().loops
    }
    for loop in read_loops(model):
        peer = peers[frozenset(step.variable.key for step in loop.path)].behavior_time_series
        assert peer is not None
        # pysimlin takes differences between two steps, we the derivative in the middle of them
        assert np.nanmean(np.abs(peer - shares.sel(loop=loop.name))[5:]) < 0.01


def test_loops_that_share_no_stock_are_scored_apart(tmp_path: Path) -> None:
    text = CROWDED + "Other= INTEG(gain, 1) ~ Dmnl ~|\ngain= 0.1*Other ~ Dmnl ~|\n"
    loops = CROWDED_LOOPS + '[Alone]\npolarity = "R"\nsentence = "."\npath = ["Other", "gain"]\n'
    scores = loop_scores(_model(tmp_path, text, loops), save_every=1)
    assert len(set(scores["group"].values[:4])) == 1
    assert scores["group"].values[4] not in scores["group"].values[:4]
    np.testing.assert_allclose(scores["share"].sel(loop="Alone"), 1.0)


# ------------------------------------------------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("before", "after", "error", "said"),
    [
        ('"births"]', '"birhs"]', UnknownNameError, "did you mean 'births'"),
        ("sentence =", "sentense =", LoopsFileError, "did you mean 'sentence'"),
        ('polarity = "R"', 'polarity = "X"', LoopsFileError, "'Births.polarity' is 'X'"),
        ('path = ["Population", "births"]', "path = []", LoopsFileError, "the path names nothing"),
        ('"Population", "births"]', '"births", "births"]', LoopsFileError, "stands twice"),
        ('signs = "++"', 'signs = "+"', LoopsFileError, "1 signs for 2 links"),
        ('signs = "++"', 'signs = "+-"', LoopsFileError, "the other polarity"),
        ("[Births]", "Births = 1\n[Other]", LoopsFileError, "expected a table"),
        ("[Births]", "[Births", LoopsFileError, "loops.toml is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(
    tmp_path: Path, before: str, after: str, error: type[TrilemmaError], said: str
) -> None:
    model = _model(tmp_path, CROWDED, CROWDED_LOOPS.replace(before, after, 1))
    with pytest.raises(error, match=said) as caught:
        read_loops(model)
    assert "loops.toml" in str(caught.value)


def test_a_path_must_name_elements(tmp_path: Path) -> None:
    loops = '[x]\npolarity = "R"\nsentence = "."\npath = ["x", "y"]\n'
    with pytest.raises(LoopsFileError, match=r"name an element, such as 'x\[US\]'"):
        read_loops(_model(tmp_path, LINKS, loops))


def test_scores_need_loops(tmp_path: Path) -> None:
    model = _model(tmp_path, CROWDED)
    with pytest.raises(LoopsFileError, match="name the loops"):
        loop_scores(model)
