"""Units: everything that pysimlin's unit check says of a model file, and what that check cannot see.

pysimlin's `Model.check_units` leaves out mismatches, so that all of `Model.check` is taken. That check says nothing
of a variable without a unit, and folds the net flows of stocks into one summary; both are looked at one by one here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trilemma.translation import ir
from trilemma.translation.model import Model, load_model
from trilemma.validation.result import Check

if TYPE_CHECKING:
    import simlin
    from simlin.errors import ErrorDetail

_INVOLVED = re.compile(r"involving (?P<names>[^:]*):")
_OFFSET = re.compile(r"parse error at (?P<offset>\d+)\.\.")


@dataclass(frozen=True)
class UnitMessage:
    """One thing that is wrong with the units of a model.

    Attributes
    ----------
    variable
        The name as in the model file, or an empty text where the message is about the whole file.
    line
        The line of its definition, or None where that is not known.
    message
        What is wrong.
    """

    variable: str
    line: int | None
    message: str


def unit_messages(model: Model | str | Path) -> list[UnitMessage]:
    """Return all that is wrong with the units of a model; an empty list means that every equation balances.

    Besides mismatches these are variables without a unit, and what pysimlin does not understand: it cannot check that.

    Parameters
    ----------
    model
        A loaded model, its name under models/, or the path of its file.
    """
    from simlin import load
    from simlin.errors import ErrorCode, ErrorSeverity, SimlinError

    loaded = model if isinstance(model, Model) else load_model(model)
    try:
        read = load(loaded.path)
    except SimlinError as error:
        return [UnitMessage("", _line_at(loaded.path, str(error)), f"the unit check cannot read the file: {error}")]
    details = _details(read)
    if any(detail.severity == ErrorSeverity.ERROR and detail.variable_name for detail in details):
        details = [detail for detail in details if detail.code != ErrorCode.NOT_SIMULATABLE]  # it repeats their names
    messages = [_message(loaded, detail) for detail in details]
    return [*messages, *_net_flows(loaded, read), *_without_unit(loaded)]


def _details(model: simlin.Model) -> list[ErrorDetail]:
    """Return what `Model.check` reports, with its parts apart."""
    assert model.project is not None
    return model.project.get_errors()


def _message(model: Model, detail: ErrorDetail) -> UnitMessage:
    """Return a message of pysimlin under the name and the line that its variable has in the file."""
    involved = _INVOLVED.search(detail.message)
    names = [detail.variable_name] if detail.variable_name else involved["names"].split(", ") if involved else []
    text = detail.details or " ".join(detail.message.split())
    for name in names:
        variable = _find(model, name)
        if variable is not None:
            own = ir.normalise(name) == variable.key
            return _about(variable, text if own else f"net flow: {text}")
    return UnitMessage("", None, text)


def _find(model: Model, name: str) -> ir.Variable | None:
    """Return the variable that pysimlin means: a variable, or the stock of a net flow that it has made itself."""
    key = ir.normalise(name.partition("[")[0])
    return model.nodes.get(key) or model.nodes.get(key.removesuffix("_net_flow"))


def _about(variable: ir.Variable, text: str) -> UnitMessage:
    """Return a message about a variable."""
    lines = [component.line for component in variable.components if component.line]
    return UnitMessage(variable.name, lines[0] if lines else None, text)


def _net_flows(model: Model, read: simlin.Model) -> Iterator[UnitMessage]:
    """Yield the stocks whose flow is not their unit by the unit of time.

    pysimlin infers the units of flows and reports one contradiction of them all; a unit declared on each flow makes
    it report every one. What is declared changes the model in memory alone.
    """
    time = model.nodes["time_step"].unit if "time_step" in model.nodes else ""
    known = {(detail.variable_name, detail.details) for detail in _details(read)}
    stocks = _declare_flows(model, read, time) if time else {}
    for detail in _details(read):
        stock = stocks.get(ir.normalise(detail.variable_name or ""))
        if stock is not None and (detail.variable_name, detail.details) not in known:
            yield _about(stock, f"net flow: {detail.details}")


def _declare_flows(model: Model, read: simlin.Model, time: str) -> dict[str, ir.Variable]:
    """Give every flow in pysimlin's model the unit that it must have; return the stock by the key of what checks it.

    A flow that is a variable of the model keeps its own unit, and is compared by an auxiliary.
    """
    from simlin import Aux, Flow, Stock

    stocks: dict[str, ir.Variable] = {}
    with read.edit(allow_errors=True) as (_, patch):
        for stock in read.variables:
            variable = _find(model, stock.name)
            if not isinstance(stock, Stock) or not stock.units or variable is None:
                continue
            for flow in map(read.get_variable, (*stock.inflows, *stock.outflows)):
                assert isinstance(flow, Flow)
                unit, key = f"({stock.units})/({time})", ir.normalise(flow.name)
                if key in model.nodes:
                    every = f"[{', '.join('*' * len(flow.dimensions))}]"
                    whole = f'SUM("{flow.name}"{every})' if flow.dimensions else f'"{flow.name}"'
                    key = f"unit_check_{len(stocks)}"
                    patch.upsert(Aux(key, equation=whole, units=unit))
                else:
                    patch.upsert(replace(flow, units=unit))
                stocks[key] = variable
    return stocks


def _without_unit(model: Model) -> Iterator[UnitMessage]:
    """Yield the variables without a unit: the check would take any unit for theirs."""
    for variable in model.variables.values():
        if not variable.unit.strip():
            yield _about(variable, "has no unit, so that its use is not checked: give one, 'Dmnl' for a plain number")


def _line_at(path: Path, message: str) -> int | None:
    """Return the line of a file that the place in an error of pysimlin's reader lies on."""
    found = _OFFSET.search(message)
    return None if found is None else 1 + path.read_bytes().count(b"\n", 0, int(found["offset"]))


def unit_checks(model: Model) -> list[Check]:
    """Return a check for each message about units, or the one that there is none."""
    category = "units"
    messages = unit_messages(model)
    if not messages:
        said = "Every equation balances: there is no message about units."
        return [Check(category, "every equation balances", "0 messages", "0 messages", "passed", said)]
    return [
        Check(category, one.variable or "the whole file", "no message", one.message, "failed", _sentence(one))
        for one in messages
    ]


def _sentence(message: UnitMessage) -> str:
    """Return a message with the place that it is about."""
    place = f"'{message.variable}'" if message.variable else "The file"
    line = f", line {message.line}" if message.line else ""
    return f"{place}{line}: {message.message}."
