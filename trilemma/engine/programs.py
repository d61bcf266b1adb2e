"""Programs ready to run: each is compiled at its first call, or taken from what earlier processes kept on disk.

Two things are kept: the program as it was traced (JAX's portable form, which is data), and, by JAX, its machine code.
A process that finds both needs no tracing and no compiling. The key of a program is its model, its request, the shapes
of its inputs, the code of this package, and JAX with all its settings.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.export
from jax import Array

from trilemma import caches
from trilemma.engine import compiler, guarded
from trilemma.engine.large import compilable, is_large
from trilemma.engine.loop import Given, Program, Request, pure
from trilemma.translation import source_cache
from trilemma.translation.model import Model

KIND, MACHINE_CODE = "programs", "compiled"

FEW_RUNS = 32
"""Up to this many runs, a program that compiles faster and runs as fast is better than one made for batches."""

Signature = tuple[tuple[tuple[int, ...], str], ...]
Flat = Callable[..., tuple[dict[str, Array], Array]]
"""A program as a function of the arrays of its inputs, one after another."""


@lru_cache(maxsize=64)
def build(model: Model, request: Request, *, few_runs: bool = False) -> Program:
    """Return the program of a request, to be compiled at its first call; see `pure` for what it raises.

    Parameters
    ----------
    few_runs
        Compile for `FEW_RUNS` runs at most.
    """
    key = caches.digest(_surroundings(), _content(model), repr(request), str(few_runs))
    options = compiler.options(jax.default_backend(), few_runs=few_runs, large=is_large(model, request))
    program = pure(model, request, hoisted=False)

    def compilable_for(structure: Any) -> Callable[..., Any]:  # noqa: ANN401 - JAX's
        def flat(*leaves: Any) -> tuple[dict[str, Array], Array]:  # noqa: ANN401 - arrays, for JAX
            return program(jax.tree.unflatten(structure, leaves))

        return compilable(flat, model, request, options)

    return _Kept(compilable_for, key, options)


class _Kept:
    """A program that is compiled, or taken from disk, when inputs of a shape come for the first time."""

    def __init__(self, compilable: Callable[[Any], Any], key: str, options: dict[str, Any] | None) -> None:
        self._compilable = compilable
        self._key = key
        self._options = options
        self._compiled: dict[Signature, Flat] = {}
        self._lock = threading.Lock()

    def __call__(self, given: Given) -> tuple[dict[str, Array], Array]:
        """Run for all runs of the inputs."""
        leaves, structure = jax.tree.flatten(given)
        signature = tuple([(leaf.shape, leaf.dtype.char) for leaf in leaves])
        if signature not in self._compiled:
            with self._lock:  # two threads that begin with the same shapes need not both compile
                if signature not in self._compiled:
                    self._compiled[signature] = self._first(leaves, structure, signature)
        return self._compiled[signature](*leaves)

    def _first(self, leaves: list[Any], structure: Any, signature: Signature) -> Flat:  # noqa: ANN401
        """Return the compiled function for inputs of a shape."""
        key = caches.digest(self._key, str(structure), repr(signature))
        portable = caches.load(KIND, key)
        if portable is None:
            function = self._compilable(structure)
            with guarded.values_alone():
                traced = function.trace(*leaves)
                try:
                    exported = jax.export.export(function)(*leaves)
                except ValueError:  # an operation that has no portable form
                    return _compiled(traced.lower())
            portable = bytes(exported.serialize(vjp_order=0))
            caches.keep(KIND, key, portable)

        loaded: Any = jax.export.deserialize(bytearray(portable)).call

        def run(*leaves: Any) -> tuple[dict[str, Array], Array]:  # noqa: ANN401 - JAX keeps it under this name
            return loaded(*leaves)

        return _compiled(jax.jit(run, compiler_options=self._options).trace(*leaves).lower())


def _compiled(lowered: jax.stages.Lowered) -> Flat:
    """Compile; machine code on disk that proves damaged is removed, so that it is written anew."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled: Flat = lowered.compile()
    for warning in caught:
        if "persistent compilation cache" not in str(warning.message):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif (folder := caches.private_folder(MACHINE_CODE)) is not None:
            for entry in folder.glob("jit_run-*"):
                entry.unlink(missing_ok=True)
    return compiled


@cache
def _surroundings() -> str:
    """Return a hash of what a program depends on apart from its model: this package's code, JAX, and its settings."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    settings = [(name, str(value)) for name, value in sorted(jax.config.values.items()) if "cache" not in name]
    device = jax.devices()[0]
    versions = (jax.__version__, version("jaxlib"), device.platform, device.device_kind)
    code = [source.read_bytes() for source in sources]
    flags = os.environ.get(compiler.FLAGS, "")
    return caches.digest(source_cache.code(), repr(versions), repr(settings), flags, *code)


@lru_cache(maxsize=64)
def _content(model: Model) -> str:
    """Return a hash of all of a model that a program is made from."""
    return caches.digest(repr((model.nodes, model.lower_ranges, model.clock)))


def use_disk_cache() -> None:
    """Let JAX keep machine code on disk between processes, where the user has not chosen a place already.

    Whoever can write to that folder can run code as this user, so it has to be this user's alone.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        folder = caches.private_folder(MACHINE_CODE)
        if folder is not None:
            caches.trim(MACHINE_CODE)
            jax.config.update("jax_compilation_cache_dir", str(folder))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
