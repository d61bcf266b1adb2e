"""The public names: each is there, is documented, and documents its parameters and what it returns."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

import trilemma

FUNCTIONS = [name for name in trilemma.__all__ if inspect.isfunction(getattr(trilemma, name))]
SECTION = re.compile(r"^(\w[\w ]*)\n-+\n", re.MULTILINE)


def sections(docstring: str) -> dict[str, str]:
    """Return the sections of a docstring in NumPy style by heading; the text before them has the heading ''."""
    parts = SECTION.split(inspect.cleandoc(docstring))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def documented(function: Callable[..., object]) -> list[str]:
    """Return the parameters that a docstring describes, in its order."""
    entries = re.findall(r"^(\w.*)$", sections(function.__doc__ or "").get("Parameters", ""), re.MULTILINE)
    return [name.strip() for entry in entries for name in entry.partition(":")[0].split(",")]


def test_every_public_name_is_listed_and_resolves() -> None:
    assert sorted(trilemma.__all__) == trilemma.__all__
    assert set(trilemma.__all__) <= set(dir(trilemma))
    for name in trilemma.__all__:
        assert getattr(trilemma, name).__name__ == name


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'trilemma' has no attribute 'simulation'"):
        _ = trilemma.simulation  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", trilemma.__all__)
def test_a_public_name_begins_its_docstring_with_a_sentence(name: str) -> None:
    first = (getattr(trilemma, name).__doc__ or "").partition("\n")[0]
    assert first.endswith(".")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_documents_its_parameters(name: str) -> None:
    function = getattr(trilemma, name)
    assert sorted(documented(function)) == sorted(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_documents_what_it_returns_and_raises(name: str) -> None:
    assert {"Returns", "Raises"} <= sections(getattr(trilemma, name).__doc__ or "").keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_is_annotated(name: str) -> None:
    signature = inspect.signature(getattr(trilemma, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
