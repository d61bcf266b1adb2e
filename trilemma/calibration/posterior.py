"""Chains that walk the posterior by its exact gradient: NUTS (Hoffman and Gelman, 2014), by BlackJAX.

The position is [z; scale of model errors], all standard normal before any data, and whitened by the normal mixture of
`trilemma.calibration.laplace`: what is left to walk is close to a ball, so that only the length of a step has to be
learnt. The model runs to the last observation. Each chain is a thread: all call one compiled program, made for a single
run, and none waits for the longest path of another.

This is the one module outside the engine that knows JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from trilemma.calibration.problem import Problem, Tell, silent
from trilemma.engine import compiler
from trilemma.engine.batches import workers

WARMUP = 100
"""Draws of each chain that only tune the step: the whitening is known before."""

ACCEPTANCE = 0.85
"""Share of proposals that the step is tuned to; the corners of a model ask for a smaller step than smooth ones."""

DOUBLINGS = 7
"""A path has at most 2^7 steps."""


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
    """
    tell(0, chains * (warmup + draws), "making the sampler ready")
    density = log_density(problem)
    centre, root = about.mean, np.linalg.cholesky(about.covariance)

    def whitened(ball: Array) -> Array:
        return density(jnp.asarray(centre) + jnp.asarray(root) @ ball)

    walk = _Walk(*_compiled(whitened, len(centre)))
    keys = jax.random.split(jax.random.key(seed), chains)
    starts = np.random.default_rng(seed).standard_normal((chains, len(centre)))
    done = [0] * chains

    def one(chain: int) -> tuple[list[_Draw], float]:
        def told() -> None:
            done[chain] += 1
            tell(sum(done), chains * (warmup + draws), "walking")

        return walk.chain(keys[chain], starts[chain], warmup, draws, told)

    with ThreadPoolExecutor(min(chains, workers())) as pool:
        found = list(pool.map(one, range(chains)))
    return _gathered(found, warmup, centre, root)


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


def _compiled(density: Callable[[Array], Array], count: int) -> tuple[Any, Any]:
    """Return the start of a chain and its next draw, compiled beside each other: each takes as long as a fit."""
    kernel = blackjax.nuts.build_kernel()
    ball = jnp.zeros(count)

    def begin(ball: Array) -> Any:  # noqa: ANN401 - a state of BlackJAX
        return blackjax.nuts.init(ball, density)

    def draw(key: Array, state: Any, step: Array) -> tuple[Any, Any]:  # noqa: ANN401
        return kernel(key, state, density, step, jnp.ones(count), DOUBLINGS)

    state = jax.eval_shape(begin, ball)
    key, step = jax.random.key(0), jnp.ones(())
    begun, drawn = jax.jit(begin).lower(ball), jax.jit(draw).lower(key, state, step)
    options: Any = compiler.options(jax.default_backend(), few_runs=True)
    with ThreadPoolExecutor(2) as pool:
        first, second = (pool.submit(part.compile, options) for part in (begun, drawn))
        return first.result(), second.result()


@dataclass(frozen=True, eq=False)
class _Walk:
    """The two compiled parts of a chain."""

    begin: Callable[[Array], Any]
    draw: Callable[[Array, Any, Array], tuple[Any, Any]]

    def chain(
        self, key: Array, start: np.ndarray, warmup: int, draws: int, told: Callable[[], None]
    ) -> tuple[list[_Draw], float]:
        """Return all draws of a chain, those of its warm-up first, and the step it settled on."""
        state = self.begin(jnp.asarray(start))
        first, update, last = dual_averaging_adaptation(ACCEPTANCE)
        tuning = first(len(start) ** -0.25)
        found: list[_Draw] = []
        for number, now in enumerate(jax.random.split(key, warmup + draws)):
            step = jnp.exp(tuning.log_step_size) if number < warmup else last(tuning)
            state, info = self.draw(now, state, jnp.asarray(step, dtype=float))
            if number < warmup:
                tuning = update(tuning, info.acceptance_rate)
            found.append(
                _Draw(
                    np.asarray(state.position),
                    float(state.logdensity),
                    float(info.acceptance_rate),
                    int(info.num_integration_steps),
                    bool(info.is_divergent),
                )
            )
            told()
        return found, float(last(tuning))


def _gathered(found: list[tuple[list[_Draw], float]], warmup: int, centre: np.ndarray, root: np.ndarray) -> Chains:
    """Put the draws of all chains together, back in z."""
    kept = [draws[warmup:] for draws, _ in found]
    columns = {name: np.array([[getattr(draw, name) for draw in chain] for chain in kept]) for name in _Draw._fields}
    position = centre + columns["position"] @ root.T
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
