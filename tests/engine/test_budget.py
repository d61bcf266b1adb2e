"""The limit of memory: fewer runs at a time, the same numbers, and a sentence where results cannot fit."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import numpy as np
import pytest
import xarray as xr

from tests.engine.conftest import Loader
from trilemma.engine import budget
from trilemma.engine.budget import Need, chunk, need, read_size
from trilemma.engine.simulate import plan_run, simulate
from trilemma.engine.stream import ahead
from trilemma.errors import MemoryLimitError, OverrideError

EQUATIONS = (
    "seg: (s1-s50) ~~|\nx[seg] = INTEG(a - late[seg], 1) ~~|\nlate[seg] = DELAY FIXED(x[seg], 2, a) ~~|\na = 1 ~~|\n"
)


@pytest.mark.parametrize(
    ("text", "size"), [("500 MB", 500e6), ("2GB", 2e9), ("1.5 GiB", 1.5 * 2**30), ("10kib", 10240), ("7", 7)]
)
def test_sizes_are_read(text: str, size: float) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1 GB", "0", "2 XB", "1,5 GB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(OverrideError, match="give a size such as '500 MB'"):
        read_size(text)


def test_a_chunk_is_as_large_as_the_limit_allows() -> None:
    each = Need(saved=1000, working=9000)
    assert chunk(each, 10_000, 1024, 2, None) == 1024, "what takes little is not counted"
    assert chunk(each, 10_000, 1024, 2, 1e12) == 1024
    assert chunk(each, 10_000, 1024, 2, 10e6 + 2 * 10_000 * 5) == 5
    with pytest.raises(MemoryLimitError, match=r"10,000 runs need about 10\.0 MB of memory and may take 5\.0 MB"):
        chunk(each, 10_000, 1024, 2, 5e6)


def test_the_default_is_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < budget.default_limit() <= budget.psutil.virtual_memory().total / 2
    monkeypatch.setattr(budget, "default_limit", lambda: 50 << 20)
    with pytest.raises(MemoryLimitError, match="100,000 runs need about"):
        chunk(Need(saved=1000, working=1000), 100_000, 1024, 2, None)


def test_the_need_of_a_run_follows_from_its_arrays(load: Loader) -> None:
    model = load(EQUATIONS, final=10, step=0.5)
    request = plan_run(model, outcomes=["x"]).request
    found = need(model, request)
    assert found.saved == 21 * (50 * 8 + 4)
    in_delay, states, others = 50 * 4, 50 * 2, 50 + 50 + 1
    assert 8 * (2 * (in_delay + states) + others) <= found.working <= 8 * (3 * (in_delay + states) + others + 10)


def test_a_limit_changes_no_number(load: Loader) -> None:
    model = load(EQUATIONS, final=10, step=0.5)
    runs = {"a": xr.DataArray(np.linspace(0, 1, 100), dims="run")}
    plan = plan_run(model, runs)
    each = need(model, plan.request)
    tight = 100 * each.saved + 40 * (each.saved + each.working)
    freely = simulate(model, runs)
    limited = simulate(model, runs, max_memory=tight)
    for name in freely:
        np.testing.assert_allclose(limited[name], freely[name], rtol=1e-14)
    with pytest.raises(MemoryLimitError, match="100 runs need about"):
        simulate(model, runs, max_memory=50 * each.saved)
    with pytest.raises(MemoryLimitError, match="1 run needs about"):
        simulate(model, max_memory=10)


class _Block:
    """A result that can be watched."""


def test_two_blocks_are_in_memory_and_their_order_is_kept() -> None:
    made: list[weakref.ref[_Block]] = []
    numbers: list[int] = []

    def block(number: int) -> tuple[int, _Block]:
        held = _Block()
        made.append(weakref.ref(held))
        return number, held

    for number, held in ahead(partial(block, i) for i in range(6)):
        numbers.append(number)
        del held
        gc.collect()
        assert sum(one() is not None for one in made) <= 2
    assert numbers == list(range(6))
    assert list(ahead([])) == []


def test_an_error_comes_where_its_block_would() -> None:
    def fails() -> int:
        message = "no"
        raise ValueError(message)

    stream = ahead([lambda: 1, fails, lambda: 3])
    assert next(stream) == 1
    with pytest.raises(ValueError, match="no"):
        next(stream)
