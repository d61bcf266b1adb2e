"""Writes pictures of a model's structure, and the sketch into its file."""

from __future__ import annotations

from pathlib import Path

from trilemma.errors import ModelFileError
from trilemma.reporting.diagrams.dot import view_graph
from trilemma.reporting.diagrams.layout import picture, untangled
from trilemma.reporting.diagrams.loops import loop_graph
from trilemma.reporting.diagrams.sketch import with_sketch
from trilemma.reporting.diagrams.structure import view_of
from trilemma.reporting.writing import write_texts
from trilemma.translation.loops import read_loops
from trilemma.translation.model import Model
from trilemma.translation.source_text import read_text

LOOPS = "feedback_loops"
"""The name of the picture of loops."""


def write_pictures(model: Model, folder: Path) -> list[Path]:
    """Write a picture of each view of a model, and one of its loops, as SVG and as the text that Graphviz draws.

    Raises
    ------
    ModelFileError
        If the model has no views.
    ReportError
        If Graphviz is not installed, or a file cannot be written.
    """
    if not model.views:
        message = f"'{model.path}' has neither a sketch nor groups: there is no view to draw."
        raise ModelFileError(message)
    texts: dict[str, str] = {}
    for name, source in sources(model).items():
        drawn = picture(untangled(source), "svg", "neato") if name == LOOPS else picture(source, "svg")
        texts |= {f"{name}.dot": source, f"{name}.svg": drawn.decode()}
    write_texts(folder, texts, "the pictures")
    return [folder / name for name in texts if name.endswith(".svg")]


def sources(model: Model) -> dict[str, str]:
    """Return the text that Graphviz draws each picture of a model from, by the name of its file.

    Raises
    ------
    LoopsFileError, UnknownNameError
        If the loops.toml beside the model has a mistake.
    """
    found = {file_name(view): view_graph(model, view_of(model, view, minor=False)).source for view in model.views}
    loops = read_loops(model)
    return found | ({LOOPS: loop_graph(model, loops).source} if any(loop.landmarks for loop in loops) else {})


def file_name(view: str) -> str:
    """Return the name of the files of a view, without ending: "cn_stack" for "CN Stack"."""
    return "_".join("".join(c if c.isalnum() else " " for c in view.lower()).split())


def write_sketch(model: Model) -> Path:
    """Lay the views of a Vensim file out anew, and write the sketch into the file; its equations stay as they are.

    Raises
    ------
    ModelFileError
        If the file is none of Vensim, or has neither groups nor views.
    ReportError
        If Graphviz is not installed, or the file cannot be written.
    """
    path = model.path
    if path.suffix.lower() != ".mdl":
        message = f"'{path}' is not a Vensim file (.mdl): only these hold a sketch."
        raise ModelFileError(message)
    text = with_sketch(model, read_text(path))
    ending = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
    write_texts(path.parent, {path.name: text.replace("\n", ending)}, "the model file")
    return path
