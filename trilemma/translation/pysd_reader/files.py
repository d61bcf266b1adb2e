"""Parses model files into PySD's abstract sections, definition by definition, so that an error names the line.

PySD's translator calls `eval` on pieces of the file's text; it is given a reader of literals instead, so that a model
file from a stranger cannot run code. It also loses the difference between -2^2 and (-2)^2, which is kept here.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from parsimonious.exceptions import ParseError, VisitationError
from pysd.translators.structures import abstract_model as am
from pysd.translators.vensim import vensim_element
from pysd.translators.vensim.vensim_section import Section as VensimSection
from pysd.translators.xmile import xmile_element
from pysd.translators.xmile.xmile_file import XmileFile

from trilemma.errors import ModelFileError, TrilemmaWarning, UnsupportedError
from trilemma.translation import ir
from trilemma.translation.source_text import (
    Definition,
    file_aliases,
    group_views,
    read_text,
    sketch_views,
    split_vensim,
    xmile_lines,
)

LARGE = 1_000_000
"""Letters of equations from which on it is said that reading them takes a while; comments cost next to nothing."""

_MAPPING = re.compile(r"(?<!<)->")
_PARSE_ERRORS = (ParseError, VisitationError, SyntaxError, ValueError, KeyError, TypeError, IndexError, RecursionError)

Mappings = list[tuple[str, tuple[str, ...] | None]]
"""Ranges that a range is mapped to, and their elements in the order of its own, where these are listed."""


@dataclass
class Section:
    """The main part of a model file, or a macro.

    Attributes
    ----------
    abstract
        PySD's representation.
    lines
        The lines of the definitions of each variable, by key.
    mappings
        What each range is mapped to.
    """

    abstract: am.AbstractSection
    lines: dict[str, list[int]]
    mappings: dict[str, Mappings] = field(default_factory=dict[str, Mappings])


@dataclass
class Sections:
    """All that a model file holds; `aliases` are the files that stand behind names such as "?data"."""

    main: Section
    macros: list[Section]
    views: dict[str, str]
    aliases: dict[str, str] = field(default_factory=dict[str, str])


def _literal(text: str) -> Any:  # noqa: ANN401
    """Return the value of a literal, or of a sum of numbers such as "7-2-1"; stands in for `eval` inside PySD.

    Raises
    ------
    ValueError
        If the text is anything else.
    """
    return _literal_value(ast.parse(re.sub(r"(?<![\d.])0+(?=\d)", "", text.strip()), mode="eval").body)


def _literal_value(node: ast.expr) -> Any:  # noqa: ANN401
    """Return the value of a parsed literal."""
    match node:
        case ast.Constant(int() | float() | str() as value):
            return value
        case ast.Tuple(elts) | ast.List(elts):
            return tuple(_literal_value(part) for part in elts)
        case ast.UnaryOp(ast.USub(), operand):
            return -_literal_value(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_literal_value(operand)
        case ast.BinOp(left, ast.Add(), right):
            return _literal_value(left) + _literal_value(right)
        case ast.BinOp(left, ast.Sub(), right):
            return _literal_value(left) - _literal_value(right)
        case _:
            message = "not a literal"
            raise ValueError(message)


def _negative(visitor: Any, _: object, parts: list[str]) -> str:  # noqa: ANN401
    """Mark an operand as negative, a number too, so that -2^2 is -(2^2) and (-2)^2 is not; stands in inside PySD."""
    if parts[0] == "-":
        visitor.negatives.add(parts[2])
    return parts[2]


for _module in (vensim_element, xmile_element):
    setattr(_module, "eval", _literal)  # noqa: B010 - the modules declare no such name
    setattr(_module.EquationVisitor, "visit_neg_expr", _negative)  # noqa: B010


def read_sections(path: Path) -> Sections:
    """Parse a model file.

    Raises
    ------
    ModelFileError
        If the file cannot be read or parsed; the sentence names the line and the definition.
    """
    return _read_vensim(path) if path.suffix.lower() == ".mdl" else _read_xmile(path)


def _read_vensim(path: Path) -> Sections:
    """Parse a .mdl.

    PySD's own grammar of whole files makes a node of every letter of a comment; files are split here instead.
    """
    text = read_text(path)
    definitions, macros = split_vensim(path, text)
    _announce(path, sum(len(d.equation) for part in (definitions, *(m.definitions for m in macros)) for d in part))
    main = _vensim_section(path, VensimSection("__main__", Path(), "main", [], [], "", False, None), definitions)
    parsed = [
        _vensim_section(
            path,
            VensimSection(m.name, Path(), "macro", list(m.parameters), list(m.results), "", False, None),
            m.definitions,
        )
        for m in macros
    ]
    return Sections(main, parsed, sketch_views(text) or group_views(text, main.lines), file_aliases(text))


def _announce(path: Path, letters: int) -> None:
    """Say beforehand that a large file takes a while."""
    if letters > LARGE:
        size = f"{letters / 1e6:.1f} million letters of equations"
        message = f"'{path}' is large ({size}): PySD's grammar takes about 4 s for a million; later starts are quick."
        warnings.warn(message, TrilemmaWarning, stacklevel=2)


def _vensim_section(path: Path, section: Any, definitions: Sequence[Definition]) -> Section:  # noqa: ANN401
    """Parse the definitions of a section."""
    mappings: dict[str, Mappings] = {}
    located: dict[str, list[int]] = {}
    parsed: list[Any] = []
    for definition in definitions:
        equation, *mapping = (
            _MAPPING.split(definition.equation, maxsplit=1) if _is_range(definition.equation) else [definition.equation]
        )
        component = _parse_definition(path, replace(definition, equation=equation.strip()))
        parsed.append(component)
        if mapping:
            mappings[component.name] = _mappings(mapping[0])
        located.setdefault(ir.normalise(component.name), []).append(definition.line)
    section.subscripts = [p for p in parsed if isinstance(p, vensim_element.SubscriptRange)]
    section.components = [p for p in parsed if isinstance(p, vensim_element.Component)]
    section.constraints = []
    section.test_inputs = []
    return Section(section.get_abstract_section(), located, mappings)


def _is_range(equation: str) -> bool:
    """Whether a definition may be one of a subscript range: a name, a colon, and no equals sign outside quotes."""
    bare = re.sub(r'"(?:\\"|[^"])*"', "", equation)
    return ":" in bare and "=" not in bare


def _mappings(text: str) -> Mappings:
    """Return the mappings behind the arrow of a range: names, or ``(name: element, ...)``."""
    found: Mappings = []
    for part in re.findall(r'\([^)]*\)|"(?:\\"|[^"])*"|[^,()]+', text):
        name, colon, listed = part.strip().strip("()").partition(":")
        if name.strip():
            elements = tuple(e.strip() for e in listed.split(",") if e.strip()) if colon else None
            found.append((name.strip(), elements))
    return found


def _parse_definition(path: Path, definition: Definition) -> Any:  # noqa: ANN401
    """Parse one definition; an error names its line."""
    try:
        component = _element(definition).parse()
        if isinstance(component, vensim_element.Component):
            component.parse()
    except _PARSE_ERRORS as error:
        shown = definition.equation if len(definition.equation) <= 100 else definition.equation[:97] + "..."
        message = (
            f"'{path}', line {definition.line}: cannot parse '{shown}': "
            "check operators, brackets and the function's arguments."
        )
        raise ModelFileError(message) from error
    return component


def _element(definition: Definition) -> vensim_element.Element:
    """Return PySD's element of a definition; limits that are no numbers stay in the unit."""
    try:
        return vensim_element.Element(definition.equation, definition.units, definition.documentation)
    except ValueError:
        return vensim_element.Element(definition.equation, definition.units + " ", definition.documentation)


def _read_xmile(path: Path) -> Sections:
    """Parse an XMILE file: its sections with PySD, then variable by variable, so that an error names one."""
    text = read_text(path)
    try:
        file = XmileFile(path)
        for node in file.xmile_root.iter("{*}eqn"):
            node.text = re.sub(r"\{[^}]*\}", " ", node.text or "")  # comments, which PySD's grammar does not know
        file.parse(parse_all=False)
        section = file.sections[0]
        section.parse(parse_all=False)
    except Exception as error:  # PySD lets the XML parser's and its own errors through, of no common kind
        message = f"'{path}' is not an XMILE model that can be parsed: {_reason(text, error)}"
        raise ModelFileError(message) from error
    _refuse_what_is_not_read(path, file.xmile_root)
    _announce(path, sum(len(node.text or "") for node in file.xmile_root.iter("{*}eqn")))
    for component in section.components:
        _parse_xmile_variable(path, text, component, section.behaviors)
    return Sections(Section(section.get_abstract_section(), xmile_lines(text)), [], {})


def _refuse_what_is_not_read(path: Path, root: Any) -> None:  # noqa: ANN401
    """Refuse structures that PySD's translator passes over, so that another model would run."""
    for tag, what in (("conveyor", "a conveyor"), ("queue", "a queue"), ("oven", "an oven"), ("connect", "a module")):
        for node in root.iterfind(f".//{{*}}variables/*/{{*}}{tag}"):
            name = node.getparent().get("name", "").replace("\\n", " ")
            message = (
                f"'{path}', line {node.sourceline}: '{name}' is {what}, which is not supported: "
                "rewrite it with stocks, flows and auxiliaries of one model."
            )
            raise UnsupportedError(message)


def _parse_xmile_variable(path: Path, text: str, component: Any, behaviors: Any) -> None:  # noqa: ANN401
    """Parse a variable of an XMILE file; an error names its line and its equation."""
    try:
        component.parse(behaviors)
    except Exception as error:  # as above
        where = xmile_lines(text).get(ir.normalise(component.name), [])
        line = f", line {where[0]}" if where else ""
        node = getattr(component, "node", None)
        equations = [] if node is None else [" ".join((e.text or "").split()) for e in node.iter("{*}eqn")]
        shown = f" '{'; '.join(equations)[:100]}'" if any(equations) else ": it has none"
        message = (
            f"'{path}'{line}: cannot parse the equation of '{component.name}'{shown}: "
            "check operators, brackets and the function's arguments."
        )
        if fault := _malformed(text):
            message = f"'{path}' is not an XMILE model that can be parsed: {fault}"
        raise ModelFileError(message) from error


def _malformed(text: str) -> str:
    """Return where a text is no XML; an empty text if it is."""
    try:
        ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError) as fault:
        return f"it is not well-formed XML ({fault}); save it again from its program."
    return ""


def _reason(text: str, error: Exception) -> str:
    """Return why an XMILE file cannot be parsed: where it is no XML, if that is why."""
    if fault := _malformed(text):
        return fault
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
