"""Chains that walk the posterior by its exact gradient: NUTS (Hoffman and Gelman, 2014), by BlackJAX.

The position is [z; scale of model errors], all standard normal before any data. The metric is the covariance of the
normal mixture of `trilemma.calibration.laplace`, widened along what a first stage of the chains finds wider, so that
what is left to walk is close to a ball. The model runs to the last observation. Each chain is a thread: all call one
compiled gradient, made for a single run (a batch of them costs as much for each), and none waits for another's path.

This is the one module outside the engine that knows JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any, NamedTuple

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import dual_averaging_adaptation
from jax import Array
from scipy.linalg import solve_triangular

from trilemma.calibration.ensemble import error_scale
from trilemma.calibration.laplace import Laplace
from trilemma.calibration.predictions import deviation_function
from trilemma.calibration.problem import Problem, Tell, silent
from trilemma.engine import compiler
from trilemma.engine.batches import workers
from trilemma.errors import CalibrationError

ADAPT, WARMUP = 150, 100
"""Draws of each chain in the two stages before those that count: the first finds the metric, the second the step."""

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
    """Where a chain is: its position, the log posterior there, and its gradient."""

    position: Array
    log_density: Array
    gradient: Array


Slopes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From a position to the log posterior and its gradient."""


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
        Where chains start, each at a draw of its own, and the metric that they start with.
    draws, warmup
        Of each chain: those that count, and those that tune the step before, after `ADAPT` with another metric.

    Raises
    ------
    CalibrationError
        If no chain can start, or XLA has one thread only.
    """
    walkers = _walkers(chains)
    each = ADAPT + warmup + draws
    tell(0, chains * each, "making the sampler ready")
    slopes = _compiled(problem, len(about.mean))
    walk = _Walk(_program(slopes, len(about.mean)), chains, walkers, chains * each, tell)
    rng = np.random.default_rng(seed)
    states = [_start(problem, slopes, about, rng) for _ in range(chains)]
    keys = jax.random.split(jax.random.key(seed), 3 * chains).reshape(3, chains)
    first = walk.stage(keys[0], states, about.covariance, ADAPT)
    metric = widened(about.covariance, np.concatenate([stage.positions[ADAPT // 3 :] for stage in first]))
    second = walk.stage(keys[1], [stage.state for stage in first], metric, warmup)
    steps = [stage.step for stage in second]
    last = walk.stage(keys[2], [stage.state for stage in second], metric, draws, steps)
    return _gathered(last, steps, sum(stage.gradients for stage in (*first, *second, *last)))


def widened(covariance: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return a covariance that is as wide as some draws where they are wider than it, by more than chance makes them.

    Parameters
    ----------
    positions
        The draws, shape (draws, parameters). In units of the covariance, those from it would spread over directions
        with variances up to (1 + sqrt(parameters / draws))^2 (Marchenko and Pastur, 1967).
    """
    root = np.linalg.cholesky(covariance)
    apart = solve_triangular(root, (positions - positions.mean(axis=0)).T, lower=True)
    count, draws = apart.shape
    spread, axes = np.linalg.eigh(apart @ apart.T / draws)
    wide = spread > (1 + np.sqrt(count / draws)) ** 2
    added = root @ axes[:, wide] * np.sqrt(spread[wide] - 1)
    return covariance + added @ added.T


def log_density(problem: Problem) -> Callable[[Array], Array]:
    """Return the log posterior of [z; scale], a pure function of JAX; -inf where the model is undefined."""
    priors, errors = problem.priors.only(problem.fitted), problem.errors
    deviations = deviation_function(problem.comparison, problem.labels).of

    def density(position: Array) -> Array:
        z, scale = position[:-1], position[-1:]
        found = errors.log_likelihood(deviations(priors.at(z))[:, None], error_scale(scale))[0]
        found = found - 0.5 * jnp.sum(position**2)
        return jnp.where(jnp.isfinite(found), found, -jnp.inf)

    return density


def _compiled(problem: Problem, count: int) -> Slopes:
    """Return the log posterior of [z; scale] with its gradient: the one program whose making takes long."""
    options: Any = compiler.options(jax.default_backend(), few_runs=True)
    program: Any = jax.jit(jax.value_and_grad(log_density(problem))).lower(jnp.zeros(count)).compile(options)

    def slopes(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        density, gradient = program(jnp.asarray(position))
        return np.asarray(density), np.asarray(gradient)

    return slopes


def _program(slopes: Slopes, count: int) -> Callable[..., tuple[State, Any]]:
    """Return the next draw of a chain, from a key, a state, a step and a metric.

    It calls the compiled gradient from outside: as a part of the program of a draw, within the loops of a path, the
    model takes many times longer to compile.
    """
    kernel: Any = blackjax.nuts.build_kernel()
    shapes = jax.ShapeDtypeStruct((), float), jax.ShapeDtypeStruct((count,), float)

    def called(position: Array) -> tuple[Array, Array]:
        return jax.pure_callback(slopes, shapes, position)

    @jax.custom_vjp
    def density(position: Array) -> Array:
        return called(position)[0]

    density.defvjp(called, lambda gradient, pull: (pull * gradient,))

    def draw(key: Array, state: State, step: Array, metric: Array) -> tuple[State, Any]:
        after, info = kernel(key, state, density, step, metric, DOUBLINGS)
        return State(*after), info

    return jax.jit(draw)


def _start(problem: Problem, slopes: Slopes, about: Laplace, rng: np.random.Generator) -> State:
    """Return the start of a chain, at a draw from the normal mixture.

    Raises
    ------
    CalibrationError
        If the model is undefined at draw after draw.
    """
    root = np.linalg.cholesky(about.covariance)
    for _ in range(STARTS):
        position = about.mean + root @ rng.standard_normal(len(about.mean))
        density, gradient = slopes(position)
        if np.isfinite(density):
            return State(jnp.asarray(position), jnp.asarray(density), jnp.asarray(gradient))
    message = (
        f"'{problem.model.name}' is undefined at {STARTS} draws about the mode, so that no chain can start; nothing "
        f"was written. Narrow the priors, or guard the equations that fail."
    )
    raise CalibrationError(message)


@dataclass(frozen=True, eq=False)
class _Stage:
    """What one chain did in one stage: its draws, where it ended, and the step it settled on."""

    draws: list[_Draw]
    state: State
    step: float

    @property
    def positions(self) -> np.ndarray:
        """The positions of its draws."""
        return np.array([draw.position for draw in self.draws])

    @property
    def gradients(self) -> int:
        """The gradients that were worked out."""
        return sum(draw.steps for draw in self.draws)


class _Walk:
    """Chains that walk side by side, each a thread, until all are done or one is stopped."""

    def __init__(
        self, draw: Callable[..., tuple[State, Any]], chains: int, walkers: int, total: int, tell: Tell
    ) -> None:
        self._draw, self._chains, self._walkers, self._total, self._tell = draw, chains, walkers, total, tell
        self._done, self._stop = [0] * chains, Event()

    def stage(
        self, keys: Array, states: list[State], metric: np.ndarray, draws: int, steps: list[float] | None = None
    ) -> list[_Stage]:
        """Walk so many draws with every chain; without given steps, tune them on the way."""
        known = jnp.asarray(metric)

        def one(chain: int) -> _Stage:
            step = None if steps is None else steps[chain]
            return self._chain(chain, jax.random.split(keys[chain], draws), states[chain], known, step)

        with ThreadPoolExecutor(self._walkers) as pool:
            try:
                return list(pool.map(one, range(self._chains)))
            except BaseException:  # Ctrl-C as well: the other chains would walk to their ends
                self._stop.set()
                raise

    def _chain(self, chain: int, keys: Array, state: State, metric: Array, step: float | None) -> _Stage:
        """Walk one draw for each key."""
        first, update, last = dual_averaging_adaptation(ACCEPTANCE)
        tuning = first(len(state.position) ** -0.25)
        found: list[_Draw] = []
        for key in keys:
            length = jnp.exp(tuning.log_step_size) if step is None else step
            state, info = self._draw(key, state, jnp.asarray(length, dtype=float), metric)
            if step is None:
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
            self._told(chain)
        return _Stage(found, state, float(last(tuning)) if step is None else step)

    def _told(self, chain: int) -> None:
        """Count a draw, and leave if another chain was stopped."""
        if self._stop.is_set():
            raise CancelledError
        self._done[chain] += 1
        self._tell(sum(self._done), self._total, "walking")


def _walkers(chains: int) -> int:
    """Return how many of the chains walk at once.

    A draw holds one of XLA's threads while it waits for its gradient, which needs another one: if draws held all, they
    would wait for ever.

    Raises
    ------
    CalibrationError
        If there is one thread only.
    """
    threads = compiler.threads()
    if threads < 2:
        message = "chains need two threads of XLA, and there is one: set the environment variable NPROC to 2."
        raise CalibrationError(message)
    return min(chains, workers(), threads // 2)


def _gathered(stages: list[_Stage], steps: list[float], gradients: int) -> Chains:
    """Put the draws of all chains together."""
    columns = {
        name: np.array([[getattr(draw, name) for draw in stage.draws] for stage in stages]) for name in _Draw._fields
    }
    return Chains(
        z=columns["position"][..., :-1],
        scales=columns["position"][..., -1],
        log_density=columns["log_density"],
        acceptance=columns["acceptance"],
        steps=columns["steps"],
        diverging=columns["diverging"],
        step=np.array(steps),
        gradients=gradients,
    )
