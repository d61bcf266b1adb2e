"""The logarithm against extended precision, over all of its range; and how XLA is asked to compile."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trilemma.engine import compiler, guarded
from trilemma.engine.logarithm import log_by_polynomial

RNG = np.random.default_rng(0)
LARGEST, TINY = np.finfo(float).max, np.finfo(float).tiny


@pytest.mark.skipif(bool(np.finfo(np.longdouble).eps > 1e-18), reason="this platform has no extended precision")
def test_it_is_within_one_unit_in_the_last_place() -> None:
    x = np.exp(RNG.uniform(-708.39, 709.78, 200_000))
    x = np.concatenate([x, RNG.uniform(0.5, 2, 200_000), 1 + RNG.normal(0, 1e-9, 1000), [TINY, LARGEST]])
    exact = np.log(x.astype(np.longdouble))
    error = np.abs(np.asarray(jax.jit(log_by_polynomial)(x)).astype(np.longdouble) - exact)
    assert float((error / np.spacing(np.abs(exact.astype(float)))).max()) < 1


def test_it_takes_what_is_no_ordinary_number_as_numpy_does() -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, -1, -LARGEST, 1.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal(jax.jit(log_by_polynomial)(x), np.log(x))


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="it is made for CPUs")
def test_numbers_below_the_smallest_normal_one_count_as_zero() -> None:
    assert float(jax.jit(log_by_polynomial)(np.array(1e-310))) == -np.inf


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="it is made for CPUs")
def test_it_is_taken_where_a_loop_is_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiler.FLAGS, "")
    x = jnp.array(1.5)
    assert "bitcast" not in str(jax.make_jaxpr(partial(guarded.log.fun))(x))  # a new function: JAX knows it by identity
    compiler.ask_for_one_function()
    assert "bitcast" in str(jax.make_jaxpr(partial(guarded.log.fun))(x))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", True),
        ("--xla_dump_to=nowhere", True),
        ("--xla_backend_extra_options=xla_cpu_disable_loop_unrolling", False),
    ],
)
def test_options_of_the_user_stand(given: str, kept: bool) -> None:
    code = "import trilemma, os; print(os.environ['XLA_FLAGS'])"
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "XLA_FLAGS": given}, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found.startswith(given)
    assert (compiler.OPTION in found) == kept
