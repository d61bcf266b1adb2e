"""Rival structures: variants of a model, set by its switches, under which every draw of a forecast is run.

A variant is one more thing that a draw says, beside its parameters: the draws of a forecast are those of its design,
once for each variant, and results over all of them average over the structures. A variant of smaller weight takes the
first draws only. Nothing here knows scenarios; they go on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from pydantic import BaseModel, Field

from trilemma.errors import ForecastFileError, StoreError, unknown_name
from trilemma.translation.model import Model
from trilemma.translation.overrides import Override, by_element, check_limits, scalars, written
from trilemma.translation.toml_tables import STRICT, validated

VARIANT = "variant"
DESIGN_DRAW = "design_draw"


class Variant(BaseModel):
    """One structure: the constants that make it, and how much it counts beside the others."""

    model_config = STRICT
    name: str
    title: str
    sentence: str
    weight: float = Field(default=1.0, gt=0, le=1)
    overrides: dict[str, Override] = {}


@dataclass(frozen=True)
class Deal:
    """Which variant and which draw of the design each draw of a forecast is."""

    variant: np.ndarray
    draw: np.ndarray


def read_variants(tables: Mapping[str, object], model: Model, file: str) -> tuple[Variant, ...]:
    """Return the variants of a forecast file, names spelt as in the model.

    Raises
    ------
    ForecastFileError
        If a table lacks a key, a weight is out of range, or what is set is no constant of the model.
    OverrideError
        If a lever or switch leaves its limits.
    UnknownNameError
        For a variable or key that does not exist.
    """
    return tuple(_variant(name, table, model, file) for name, table in tables.items())


def _variant(name: str, table: object, model: Model, file: str) -> Variant:
    """Return one variant, checked."""
    place = f"{file}, [variants.{name}]"
    if not isinstance(table, dict):
        message = f"{place} is {table!r}, expected a table with title and sentence."
        raise ForecastFileError(message)
    overrides = written(model, by_element(model, table.get("overrides", {}), f"{place}, 'overrides'"))
    content = {**table, "name": name, "overrides": overrides}
    variant = validated(Variant, content, file, ForecastFileError, table=f"variants.{name}")
    constants = model.constants()
    for scalar, value in scalars(model, overrides).items():
        if isinstance(value, dict) or scalar not in constants:
            what = "a series" if isinstance(value, dict) else "an equation"
            message = f"{place}: '{scalar}' would be {what}; a variant sets numbers of constants, such as switches."
            raise ForecastFileError(message)
    check_limits(model, overrides, place)
    return variant


def refuse_overlap(variants: Sequence[Variant], scenarios: Mapping[str, Mapping[str, object]], model: Model) -> None:
    """Refuse a scenario that sets what a variant sets: the variant would silently do nothing there.

    Raises
    ------
    ForecastFileError
        Naming both.
    """
    for variant in variants:
        own = scalars(model, variant.overrides)
        for scenario, overrides in scenarios.items():
            both = [name for name in scalars(model, overrides) if name in own]
            if both:
                message = (
                    f"the scenario '{scenario}' and the variant '{variant.name}' both set '{both[0]}': "
                    "remove it from one of them."
                )
                raise ForecastFileError(message)


def deal(variants: Sequence[Variant], draws: int) -> Deal:
    """Return the draws of a forecast: those of its design once for each variant, in proportion to the weights."""
    heaviest = max((variant.weight for variant in variants), default=1.0)
    counts = [max(1, round(draws * variant.weight / heaviest)) for variant in variants] or [draws]
    return Deal(
        variant=np.repeat(np.arange(len(counts)), counts),
        draw=np.concatenate([np.arange(count) for count in counts]),
    )


def spread(
    drawn: Mapping[str, np.ndarray], variants: Sequence[Variant], dealt: Deal, model: Model
) -> dict[str, np.ndarray]:
    """Return the values of every drawn parameter and of every constant that a variant sets, one a draw of a forecast.

    Parameters
    ----------
    drawn
        The parameters drawn by the design, one value a draw of the design.
    variants, dealt
        The variants, and what `deal` returned for them.
    model
        The model, for the constants that another variant leaves alone.
    """
    values = {name: np.asarray(column, dtype=float)[dealt.draw] for name, column in drawn.items()}
    labels = {model.resolve(name).label: name for name in drawn}
    defaults = model.constants() if variants else {}
    for place, variant in enumerate(variants):
        numbers = {k: v for k, v in scalars(model, variant.overrides).items() if not isinstance(v, dict)}
        for label, value in numbers.items():
            name = labels.get(label, label)
            column = values.setdefault(name, np.full(len(dealt.draw), defaults[label]))
            values[name] = np.where(dealt.variant == place, value, column)
    return values


def coordinates(variants: Sequence[Variant], dealt: Deal) -> dict[str, tuple[str, np.ndarray]]:
    """Return the coordinates that tell the draws of a store apart; none where there are no variants."""
    if not variants:
        return {}
    names = np.array([variant.name for variant in variants], dtype=object)
    return {VARIANT: ("draw", names[dealt.variant]), DESIGN_DRAW: ("draw", dealt.draw)}


def variant_names(ds: xr.Dataset) -> list[str]:
    """Return the variants in some results, in their order; none where the forecast has none."""
    return list(dict.fromkeys(map(str, ds[VARIANT].to_numpy()))) if VARIANT in ds.coords else []


def select_variant(ds: xr.Dataset, variant: str) -> xr.Dataset:
    """Return the results under one variant.

    Raises
    ------
    StoreError
        If the forecast has no variants.
    UnknownNameError
        If it has none of that name.
    """
    known = variant_names(ds)
    if not known:
        message = f"the results hold no variant '{variant}': the forecast has no [variants]."
        raise StoreError(message)
    if variant not in known:
        error = unknown_name("variant", variant, known, "the results")
        raise error
    return ds.isel(draw=np.flatnonzero(ds[VARIANT].to_numpy() == variant))
