"""Tables of a TOML file a person wrote, held against what they may hold: the first mistake is one sentence."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from trilemma.errors import TrilemmaError, list_names, unknown_name

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""The configuration of a table: what it does not know is a mistake, and a text is no number."""

Table = TypeVar("Table", bound=BaseModel)


def validated(
    kind: type[Table], content: dict[str, Any], file: str, error: type[TrilemmaError], *, table: str = ""
) -> Table:
    """Return content as a checked table.

    Parameters
    ----------
    kind
        The table as it may be.
    content
        The table as it was read.
    file, table
        Where it was read from, for messages; the table is empty for a whole file.
    error
        The kind of error to raise: with file and key, what is there and what was expected, a misspelt key first.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as failure:
        raise error(_sentence(kind, failure, file, table)) from failure


def _sentence(kind: type[BaseModel], failure: ValidationError, file: str, table: str) -> str:
    """Return one of pydantic's mistakes, a misspelt key first, as one sentence with file and key."""
    errors = failure.errors(include_url=False)
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    keys = [str(part) for part in first["loc"]]
    key = ".".join([table, *keys] if table else keys)
    if first["type"] == "missing":
        return f"{file}: the key '{key}' is missing."
    if first["type"] == "extra_forbidden":
        place = ".".join([table, *keys[:-1]] if table else keys[:-1])
        known = _table_at(kind, keys[:-1]).model_fields
        return str(unknown_name("key", keys[-1], known, f"{file}, '{place}'" if place else file))
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if first["type"] == "literal_error":
        allowed = _allowed(kind, keys)
        expected = f"one of {list_names(allowed)}" if allowed else expected
    return f"{file}: '{key}' is {first['input']!r}, expected {expected}."


def _table_at(kind: type[BaseModel], keys: list[str]) -> type[BaseModel]:
    """Return the innermost table on the way along some keys."""
    for key in keys:
        field = kind.model_fields.get(key)
        inner = field.annotation if field is not None else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            kind = inner
    return kind


def _allowed(kind: type[BaseModel], keys: list[str]) -> tuple[str, ...]:
    """Return the allowed values of a key that takes one of a few texts."""
    field = _table_at(kind, keys[:-1]).model_fields.get(keys[-1])
    return () if field is None else get_args(field.annotation)
