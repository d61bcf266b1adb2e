"""Chains that walk the posterior by its exact gradient: NUTS (Hoffman and Gelman, 2014), by BlackJAX.

The position is [z; scale of model errors], all standard normal before any data, and whitened by the normal mixture of
`trilemma.calibration.laplace`: what is left to walk is close to a ball, so that only the length of a step has to be
learnt. The model runs to the last observation. Each chain is a thread: all call one compiled program, made for a single
run, and none waits for the longest path of another.

This is the one module outside the engine that knows JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import dual_averaging_adaptation
from jax import Array

from trilemma.calibration.ensemble import error_scale
from trilemma.calibration.laplace import Laplace
from trilemma.calibration.predictions import deviation_function
from trilemma.calibration.problem import Errors, Problem, Tell, silent
from trilemma.engine import compiler
from trilemma.engine.batches import workers
from trilemma.errors import CalibrationError

WARMUP = 100
"""Draws of each chain that only tune the step: the whitening is known before."""

ACCEPTANCE = 0.85
"""Share of proposals that the step is tuned to; the corners of a model ask for a smaller step than smooth ones."""

DOUBLINGS = 7
"""A path has at most 2^7 steps."""

STARTS = 20
"""Draws about the mode that are tried for the start of a chain, should the model be undefined there."""


@dataclass(frozen=True, eq=False)
class Chains:
    """Draws of some chains, after their warm-up.

    Attributes
    ----------
    z
        The fitted parameters, shape (chains, draws, parameters).
    scales
        The scale of model errors, as a standard normal number, shape (chains, draws).
    log_density, acceptance, steps, diverging
        Of each draw: log posterior, acceptance along its path, gradients worked out, and whether the path diverged.
    step
        The length of a step of each chain.
    gradients
        Gradients in all, the warm-up's too.
    """

    z: np.ndarray
    scales: np.ndarray
    log_density: np.ndarray
    acceptance: np.ndarray
    steps: np.ndarray
    diverging: np.ndarray
    step: np.ndarray
    gradients: int


class State(NamedTuple):
    """Where a chain is: its whitened position, the log posterior there, and its gradient."""

    position: Array
    log_density: Array
    gradient: Array


class _Draw(NamedTuple):
    """What is kept of one draw."""

    position: np.ndarray
    log_density: float
    acceptance: float
    steps: int
    diverging: bool


def sample(
    problem: Problem,
    about: Laplace,
    *,
    chains: int = 4,
    draws: int = 250,
    warmup: int = WARMUP,
    seed: int,
    tell: Tell = silent,
) -> Chains:
    """Walk the posterior.

    Parameters
    ----------
    about
        Where chains start, each at a draw of its own, and how the posterior is whitened.
    draws
        Of each chain, after the warm-up.

    Raises
    ------
    CalibrationError
        If no chain can start.
    """
    total = chains * (warmup + draws)
    tell(0, total, "making the sampler ready")
    ball = Ball(problem, about.mean, np.linalg.cholesky(about.covariance))
    rng = np.random.default_rng(seed)
    starts = [ball.start(rng) for _ in range(chains)]
    draw = _compiled(ball.log_density, len(about.mean))
    keys = jax.random.split(jax.random.key(seed), chains)
    done, stop = [0] * chains, Event()

    def one(chain: int) -> tuple[list[_Draw], float]:
        def told() -> None:
            if stop.is_set():
                raise CancelledError
            done[chain] += 1
            tell(sum(done), total, "walking")

        return _walk(draw, keys[chain], starts[chain], (warmup, draws), told)

    with ThreadPoolExecutor(min(chains, workers())) as pool:
        try:
            found = list(pool.map(one, range(chains)))
        except BaseException:  # Ctrl-C as well: the other chains would walk to their ends
            stop.set()
            raise
    return _gathered(found, warmup, ball)


def log_density(problem: Problem) -> Callable[[Array], Array]:
    """Return the log posterior of [z; scale], a pure function of JAX; -inf where the model is undefined."""
    priors = problem.priors.only(problem.fitted)
    deviations = deviation_function(problem.comparison, problem.labels).of
    given = partial(_given_deviations, problem.errors)

    def density(position: Array) -> Array:
        found = given(deviations(priors.at(position[:-1])), position)
        return jnp.where(jnp.isfinite(found), found, -jnp.inf)

    return density


def _given_deviations(errors: Errors, deviations: Array, position: Array) -> Array:
    """Return the log posterior of [z; scale] where the model deviates so much from the data."""
    found = errors.log_likelihood(deviations[:, None], error_scale(position[-1:]))[0]
    return found - 0.5 * jnp.sum(position**2)


@dataclass(frozen=True, eq=False)
class Ball:
    """The posterior in whitened positions, in which it is close to a ball."""

    problem: Problem
    centre: np.ndarray
    root: np.ndarray

    def positions(self, ball: np.ndarray) -> np.ndarray:
        """Return [z; scale] (..., parameters + 1)."""
        return self.centre + ball @ self.root.T

    def log_density(self, ball: Array) -> Array:
        """Return the log posterior; for JAX to trace."""
        return log_density(self.problem)(jnp.asarray(self.centre) + jnp.asarray(self.root) @ ball)

    def start(self, rng: np.random.Generator) -> State:
        """Return the start of a chain, at a draw from the normal mixture.

        Its gradient comes from the Jacobian that the fit has used: to compile another one takes as long as a fit.

        Raises
        ------
        CalibrationError
            If the model is undefined at draw after draw.
        """
        density = jax.value_and_grad(partial(_given_deviations, self.problem.errors), (0, 1))
        for _ in range(STARTS):
            ball = rng.standard_normal(len(self.centre))
            position = self.positions(ball)
            deviations: Any = self.problem.deviations(position[:-1])
            value, (by_deviations, slopes) = density(deviations, jnp.asarray(position))
            if np.isfinite(value):
                slopes = np.array(slopes)
                slopes[:-1] += np.asarray(by_deviations) @ self.problem.slopes(position[:-1])
                return State(jnp.asarray(ball), value, jnp.asarray(slopes @ self.root))
        message = (
            f"'{self.problem.model.name}' is undefined at {STARTS} draws about the mode, so that no chain can start; "
            f"nothing was written. Narrow the priors, or guard the equations that fail."
        )
        raise CalibrationError(message)


def _compiled(density: Callable[[Array], Array], count: int) -> Any:  # noqa: ANN401 - a compiled program
    """Return the next draw of a chain as the one program that chains need: of warm-up and of drawing."""
    kernel: Any = blackjax.nuts.build_kernel()

    def draw(key: Array, state: State, step: Array) -> tuple[State, Any]:
        after, info = kernel(key, state, density, step, jnp.ones(count), DOUBLINGS)
        return State(*after), info

    state = State(jnp.zeros(count), jnp.zeros(()), jnp.zeros(count))
    options: Any = compiler.options(jax.default_backend(), few_runs=True)
    return jax.jit(draw).lower(jax.random.key(0), state, jnp.ones(())).compile(options)


def _walk(
    draw: Callable[[Array, State, Array], tuple[State, Any]],
    key: Array,
    state: State,
    draws: tuple[int, int],
    told: Callable[[], None],
) -> tuple[list[_Draw], float]:
    """Return all draws of a chain, of its warm-up and after it, and the step it settled on."""
    first, update, last = dual_averaging_adaptation(ACCEPTANCE)
    tuning = first(len(state.position) ** -0.25)
    found: list[_Draw] = []
    for number, now in enumerate(jax.random.split(key, sum(draws))):
        step = jnp.exp(tuning.log_step_size) if number < draws[0] else last(tuning)
        state, info = draw(now, state, jnp.asarray(step, dtype=float))
        if number < draws[0]:
            tuning = update(tuning, info.acceptance_rate)
        found.append(
            _Draw(
                np.asarray(state.position),
                float(state.log_density),
                float(info.acceptance_rate),
                int(info.num_integration_steps),
                bool(info.is_divergent),
            )
        )
        told()
    return found, float(last(tuning))


def _gathered(found: list[tuple[list[_Draw], float]], warmup: int, ball: Ball) -> Chains:
    """Put the draws of all chains together, back in z."""
    kept = [draws[warmup:] for draws, _ in found]
    columns = {name: np.array([[getattr(draw, name) for draw in chain] for chain in kept]) for name in _Draw._fields}
    position = ball.positions(columns["position"])
    return Chains(
        z=position[..., :-1],
        scales=position[..., -1],
        log_density=columns["log_density"],
        acceptance=columns["acceptance"],
        steps=columns["steps"],
        diverging=columns["diverging"],
        step=np.array([step for _, step in found]),
        gradients=sum(draw.steps for draws, _ in found for draw in draws),
    )
