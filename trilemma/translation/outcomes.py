"""The derived outcomes of a model: outcomes.toml beside it, read and checked.

An outcome is an expression, or an index: a weighted mean of components, each a variable or another outcome. An
outcome that refers to another one is written out, so that everybody above sees variables of the model only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trilemma.errors import ModelFileError, unknown_name
from trilemma.translation.expressions import Expression, Node, parse_expression, substituted
from trilemma.translation.ir import normalise
from trilemma.translation.toml_file import read_toml

KEYS = ("expression", "components", "unit", "sentence")
SUM_OF_WEIGHTS = 1e-9  # decimal weights such as 0.1 are not exact in binary


@dataclass(frozen=True)
class DerivedOutcome:
    """An outcome worked out from the variables of a model.

    `components` holds the names and weights of an index; it is empty for any other outcome.
    """

    name: str
    expression: Expression
    unit: str
    sentence: str
    components: tuple[tuple[str, float], ...] = ()


def read_outcomes(path: str | Path) -> dict[str, DerivedOutcome]:
    """Read the derived outcomes of an outcomes.toml; a file that is not there holds none.

    Raises
    ------
    ModelFileError
        If the file is not TOML, a table lacks a key or has another one, an expression cannot be parsed, the weights of
        an index do not sum to 1, or outcomes refer to each other in a circle.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    tables = read_toml(path, ModelFileError)
    return written_out({name: _outcome(name, table, path.name) for name, table in tables.items()})


def _outcome(name: str, table: object, file: str) -> DerivedOutcome:
    """Return one derived outcome from its TOML table."""
    where = f"{file}, '{name}'"
    if not isinstance(table, dict):
        message = f"{where}: expected a table with the keys expression, unit, sentence, got {table!r}."
        raise ModelFileError(message)
    for key in table:
        if key not in KEYS:
            error = unknown_name("key", key, KEYS, where)
            raise error
    if "components" in table and "expression" in table:
        message = f"{where}: give an expression or the components of an index, not both."
        raise ModelFileError(message)
    components = _components(table["components"], where) if "components" in table else ()
    texts = ("unit", "sentence") if components else ("expression", "unit", "sentence")
    for key in texts:
        if not isinstance(table.get(key), str) or (key != "unit" and not table[key].strip()):
            message = f"{where}: the key '{key}' must be a text, got {table.get(key, 'nothing')!r}."
            raise ModelFileError(message)
    text = " + ".join(f'{weight!r} * "{part}"' for part, weight in components) or table["expression"]
    return DerivedOutcome(name, parse_expression(text, where), table["unit"], table["sentence"], components)


def _components(table: object, where: str) -> tuple[tuple[str, float], ...]:
    """Return the names and weights of an index."""
    place = f"{where}, 'components'"
    if not isinstance(table, dict) or not table:
        message = f"{place}: expected names with their weights, got {table!r}."
        raise ModelFileError(message)
    for part, weight in table.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            message = f"{place}: the weight of '{part}' is {weight!r}, expected a number from 0 to 1."
            raise ModelFileError(message)
        if '"' in part:
            message = f"{place}: the name {part!r} holds a quotation mark; give the outcome another name."
            raise ModelFileError(message)
    total = sum(table.values())
    if abs(total - 1) > SUM_OF_WEIGHTS:
        message = f"{place}: the weights sum to {total:g}, expected 1."
        raise ModelFileError(message)
    return tuple((part, float(weight)) for part, weight in table.items())


def written_out(outcomes: Mapping[str, DerivedOutcome]) -> dict[str, DerivedOutcome]:
    """Return the outcomes with those that they refer to put in their place."""
    by_key = {normalise(name): outcome for name, outcome in outcomes.items()}
    done: dict[str, Node] = {}

    def tree(key: str, line: tuple[str, ...]) -> Node:
        if key in line:
            circle = " -> ".join(f"'{by_key[name].name}'" for name in (*line[line.index(key) :], key))
            message = f"{by_key[key].expression.where}: outcomes refer to each other in a circle, {circle}."
            raise ModelFileError(message)
        if key not in done:
            own = by_key[key].expression
            used = {normalise(name) for name, _ in own.names} & by_key.keys()
            done[key] = substituted(own.tree, {name: tree(name, (*line, key)) for name in used}, own.where)
        return done[key]

    return {
        name: replace(outcome, expression=replace(outcome.expression, tree=tree(normalise(name), ())))
        for name, outcome in outcomes.items()
    }
