"""The tables of a checks.toml as a person writes them: what each kind of statement must and may say."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from trilemma.translation.toml_tables import STRICT

BASE = "base"
"""The run that changes nothing, by the name under which expressions and tables refer to it."""

Amount = float | str


class CaseTable(BaseModel):
    """A run that several tests stand on."""

    model_config = STRICT
    sentence: str
    under: str = BASE
    overrides: dict[str, Any] = {}
    initial: dict[str, Any] = {}


class ResponseTable(BaseModel):
    """What rises and falls, each by how much at least: in its own unit, or as a share of its level ("5 %")."""

    model_config = STRICT
    sentence: str
    under: str = BASE
    at: float | None = None
    rises: dict[str, Amount] = {}
    falls: dict[str, Amount] = {}


class SignTable(ResponseTable):
    """What must move, and which way, as a lever goes through its values."""

    values: dict[str, list[float]] = Field(min_length=1)
    explained_by: list[str] = []
    freed_by: str | None = None


class ExtremeTable(CaseTable):
    """What must hold under conditions that the model was not fitted to."""

    expect: list[str] = Field(min_length=1)


class ConservationTable(BaseModel):
    """What must add up: a balance at every time, or a stock that changes by its flow and by nothing else."""

    model_config = STRICT
    sentence: str
    balance: str | None = None
    stock: str | None = None
    flow: str | None = None


class ExogenousTable(BaseModel):
    """How far exogenous series move an outcome, against what policy does to it."""

    model_config = STRICT
    sentence: str
    outcome: str
    at: float | None = None
    by: float = Field(default=0.2, gt=0, lt=1)
    loosest: str
    tightest: str


class MechanismTable(ResponseTable):
    """What changes, and which way, when a mechanism is switched off; and what does not."""

    title: str
    off: dict[str, Any] = Field(min_length=1)
    unaffected: list[str] = []


class SectorTable(CaseTable):
    """What must hold of a view that runs alone, with what comes from other views held at the base run."""

    expect: list[str] = Field(min_length=1)


class NumericsTable(BaseModel):
    """How exact the outcomes must be, and in how many draws from the priors nothing may fail."""

    model_config = STRICT
    outcomes: list[str] = []
    tolerance: float = Field(default=0.005, gt=0)
    draws: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)
    may_be_negative: list[str] = []


class MissedTable(BaseModel):
    """How many observations of a headline quantity the model misses at most, and why."""

    model_config = STRICT
    missed: int = Field(ge=1)
    why: str
