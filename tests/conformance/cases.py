"""What a case of the conformance table is, and how it is written down, run and looked up.

The cases stand in `structures.py` and `functions.py`; `table.py` joins them. A case is a small model of our own with
values worked out by hand or in closed form; unless it says why not, it is held against PySD as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from trilemma.engine.simulate import simulate
from trilemma.translation.model import Model

MODELS = Path(__file__).parent / "models"

Expected = float | Sequence[float] | np.ndarray | Callable[[np.ndarray], np.ndarray]
"""A number for all saved times, a value for each, or a function of the saved times."""


@dataclass(frozen=True)
class Case:
    """A small model and what it must give.

    Attributes
    ----------
    name
        A short name that no other case has.
    construct
        The row of the public table that it belongs to, such as ":EXCEPT:" or "SMOOTH3I".
    model
        Equations of Vensim without a clock; or the name of a file in `models/` (.mdl, .xmile) that has one.
    expected
        By ``name`` or ``name[element]``: the values at the saved times.
    against_pysd
        Whether PySD must give the same for every variable.
    why_not
        Where it need not: what PySD does, in a few words.
    final, step, saveper
        The clock of inline equations; it starts at 0.
    tolerance
        Relative tolerance of the expected values, and absolute one times their largest size.
    files
        Names of files in `models/` that the model reads.
    """

    name: str
    construct: str
    model: str
    expected: Mapping[str, Expected]
    against_pysd: bool = True
    why_not: str = ""
    final: float = 4
    step: float = 0.5
    saveper: float | None = None
    tolerance: float = 1e-12
    files: tuple[str, ...] = field(default=())

    def write(self, folder: Path) -> Path:
        """Write the model, and what it reads, into a folder; return the model's path."""
        for name in self.files:
            (folder / name).write_bytes((MODELS / name).read_bytes())
        if "\n" not in self.model and Path(self.model).suffix in {".mdl", ".xmile", ".stmx"}:
            path = folder / self.model
            path.write_bytes((MODELS / self.model).read_bytes())
            return path
        clock = {"INITIAL TIME": 0, "FINAL TIME": self.final, "TIME STEP": self.step}
        clock["SAVEPER"] = self.saveper or self.step
        lines = "\n".join(f"{name} = {value} ~~|" for name, value in clock.items())
        path = folder / "case.mdl"
        path.write_text(f"{{UTF-8}}\n{self.model}\n{lines}\n", encoding="utf-8")
        return path


def run(model: Model, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the saved times and the values of a variable or of one element of it."""
    data: xr.Dataset = simulate(model, outcomes=[name])
    times = data["time"].to_numpy()
    array = next(data[v] for v in data.data_vars if v != "result")
    return times, np.broadcast_to(array.to_numpy(), times.shape)


def expected_values(expected: Expected, times: np.ndarray) -> np.ndarray:
    """Return what is expected at the saved times."""
    values = expected(times) if callable(expected) else expected
    return np.broadcast_to(np.asarray(values, dtype=float), times.shape)
