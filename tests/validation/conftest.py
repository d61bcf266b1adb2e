"""A small model of two views with statements about it that hold, and a way to plant faults in either."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from trilemma.translation.model import Model, load_model
from trilemma.validation.result import Check
from trilemma.validation.scorecard import check

MODEL = """{UTF-8}
actor: US, CN
	~
	~	|
layer: CHIP, CLD
	~
	~	|
control lever[layer]=
	0.5, 0.5
	~	Dmnl
	~	|
history switch=
	1
	~	Dmnl
	~	|
law[layer]= control lever[layer]*history switch
	~	Dmnl [0,1]
	~	|
Effective Control[layer]= INTEG((law[layer]-Effective Control[layer])/delay, 0)
	~	Dmnl [0,1]
	~	|
delay=
	0.5
	~	Year
	~	|
demand= WITH LOOKUP(Time, ([(2020,0)-(2030,20)],(2020,10),(2023,16),(2030,20)))
	~	Kunit/Year [0,?]
	~	|
shipped[CN]= demand*share of CN*(1-Effective Control[CHIP])
	~	Kunit/Year
	~	|
shipped[US]= demand-shipped[CN]
	~	Kunit/Year
	~	|
share of CN=
	0.4
	~	Dmnl
	~	|
Fleet[actor]= INTEG(shipped[actor]-Fleet[actor]/life, start fleet)
	~	Kunit
	~	|
life=
	4
	~	Year
	~	|
packaging=
	1
	~	Kunit/Year
	~	|
lease capacity=
	10
	~	Kunit/Year
	~	|
start fleet=
	5
	~	Kunit
	~	|
years leased=
	1
	~	Year
	~	|
lease limit= lease capacity*(1-Effective Control[CLD])
	~	Kunit/Year
	~	|
leased= MIN(packaging, lease limit)
	~	Kunit/Year
	~	|
binding= IF THEN ELSE(packaging<lease limit, 1, 2)
	~	Dmnl
	~	|
fleet ratio= Fleet[US]/(Fleet[CN]+leased*years leased)
	~	Dmnl
	~	|
INITIAL TIME = 2020 ~ Year ~|
FINAL TIME = 2030 ~ Year ~|
TIME STEP = 0.0625 ~ Year ~|
SAVEPER = 0.25 ~ Year ~|

\\\\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
*Law
$192-192-192,0,Arial|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0
10,1,control lever,100,100,50,20,8,3,0,0,0,0,0,0
10,2,history switch,200,100,50,20,8,3,0,0,0,0,0,0
10,3,law,300,100,50,20,8,3,0,0,0,0,0,0
10,4,Effective Control,400,100,50,20,3,3,0,0,0,0,0,0
10,5,delay,500,100,50,20,8,3,0,0,0,0,0,0
\\\\\\---/// Sketch information - do not modify anything except names
V300  Do not put anything below this section - it will be ignored
*Trade
$192-192-192,0,Arial|12||0-0-0|0-0-0|0-0-255|-1--1--1|-1--1--1|96,96,100,0
10,1,demand,100,100,50,20,8,3,0,0,0,0,0,0
10,2,shipped,200,100,50,20,8,3,0,0,0,0,0,0
10,3,share of CN,300,100,50,20,8,3,0,0,0,0,0,0
10,4,Fleet,400,100,50,20,3,3,0,0,0,0,0,0
10,5,life,500,100,50,20,8,3,0,0,0,0,0,0
10,6,packaging,100,200,50,20,8,3,0,0,0,0,0,0
10,7,lease limit,200,200,50,20,8,3,0,0,0,0,0,0
10,8,leased,300,200,50,20,8,3,0,0,0,0,0,0
10,11,lease capacity,100,300,50,20,8,3,0,0,0,0,0,0
10,12,start fleet,200,300,50,20,8,3,0,0,0,0,0,0
10,13,years leased,300,300,50,20,8,3,0,0,0,0,0,0
10,9,binding,400,200,50,20,8,3,0,0,0,0,0,0
10,10,fleet ratio,500,200,50,20,8,3,0,0,0,0,0,0
///---\\\\\\
:L<%^E!@
"""

PARAMETERS = """name,unit,central,low,high,prior,role,source,note
control lever[CHIP],Dmnl,0.5,0,1,,lever,assumption,
control lever[CLD],Dmnl,0.5,0,1,,lever,assumption,
history switch,Dmnl,1,0,1,,switch,assumption,
delay,Year,0.5,0.3,0.8,lognormal,parameter,assumption,
share of CN,Dmnl,0.4,0.3,0.5,uniform,parameter,assumption,
life,Year,4,3,5,uniform,parameter,assumption,
packaging,Kunit/Year,1,1,1,,parameter,assumption,
lease capacity,Kunit/Year,10,10,10,,parameter,assumption,
start fleet,Kunit,5,5,5,,parameter,assumption,
years leased,Year,1,1,1,,parameter,assumption,
"""

OUTCOMES = """["lag"]
expression = "lag_months(Fleet[US], Fleet[CN])"
unit = "Month"
sentence = "By how many months one fleet trails the other."
"""

CHECKS = """method = "rk4"
at = 2028

[cases."no law"]
sentence = "Nothing is controlled."
overrides = { "history switch" = 0 }

[cases."full law"]
sentence = "All is controlled."
overrides = { "control lever" = 1 }

[cases."much packaging"]
sentence = "Packaging never binds."
overrides = { packaging = 100 }

[sign."chip law"]
sentence = "Law on chips widens the ratio."
values = { "control lever[CHIP]" = [0, 0.5, 1] }
rises = { "fleet ratio" = 0.5, "Fleet[US]" = "10 %" }
falls = { "at(Fleet[CN], 2026)" = 1 }

[sign."cloud law"]
sentence = "Law on remote compute cuts leasing."
values = { "control lever[CLD]" = [0, 0.4, 0.8] }
falls = { leased = 0.2 }
explained_by = ["binding = 1"]
freed_by = "much packaging"

[extreme."no demand"]
sentence = "Without demand fleets wear out."
overrides = { demand = 0 }
expect = [
  "at(Fleet, 2030) < 0.1 * at(Fleet, 2020)",
  "at(fleet ratio, 2020) = under(at(fleet ratio, 2020), base)",
]

[extreme."twice the demand"]
sentence = "Twice the demand means bigger fleets."
overrides = { demand = { scale = 2 } }
expect = ["at(sum(Fleet[actor!]), 2030) > 1.8 * under(at(sum(Fleet[actor!]), 2030), base)"]

[conservation."units"]
sentence = "What is made is shipped to somebody."
balance = "sum(shipped[actor!]) = demand"

[conservation."fleets"]
sentence = "Fleets grow by shipments and shrink by wear."
stock = "sum(Fleet[actor!])"
flow = "demand - sum(Fleet[actor!]) / life"

[exogenous."ratio"]
sentence = "Demand moves the ratio less than law."
outcome = "fleet ratio"
loosest = "no law"
tightest = "full law"

[mechanisms.M1]
title = "Control of chips"
sentence = "The law keeps chips from China."
off = { "history switch" = 0 }
falls = { "fleet ratio" = "10 %" }
unaffected = ["demand"]

[sectors.Trade]
sentence = "Trade alone, without wear, only grows."
overrides = { life = 1e9 }
expect = ["at(Fleet[US], 2030) > at(Fleet[US], 2028)", "at(Fleet[CN], 2030) > under(at(Fleet[CN], 2030), base)"]

[numerics]
outcomes = ["fleet ratio", "lag"]
draws = 20
seed = 3
"""

LOOPS = """["Wear"]
polarity = "B"
sentence = "A larger fleet loses more units."
path = ["Fleet[US]"]
"""

Fault: TypeAlias = tuple[str, str, str]
"""A file, a text in it, and what takes its place."""

Score: TypeAlias = Callable[..., list[Check]]

FILES = {
    "workshop.mdl": MODEL,
    "parameters.csv": PARAMETERS,
    "outcomes.toml": OUTCOMES,
    "checks.toml": CHECKS,
    "loops.toml": LOOPS,
}


def write_model(folder: Path, *faults: Fault) -> Model:
    """Write the model and its statements into a folder, with faults planted in them, and load it."""
    texts = dict(FILES)
    for file, old, new in faults:
        assert old in texts[file], old
        texts[file] = texts[file].replace(old, new)
    folder.mkdir(exist_ok=True)
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    return load_model(folder / "workshop.mdl")


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """Return a function that tests the model in some categories, with faults planted."""

    def run(*faults: Fault, only: str) -> list[Check]:
        return check(write_model(tmp_path / "workshop", *faults), only=only.split(","))

    return run
