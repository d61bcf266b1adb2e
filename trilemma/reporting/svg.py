"""Figures as SVG that stands inside a page: no header, no metadata, no name that meets another figure's."""

from __future__ import annotations

import io
import re
import zlib
from html import escape
from typing import TYPE_CHECKING

import matplotlib as mpl

from trilemma.reporting.style import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure, alt: str) -> str:
    """Return a figure as an SVG element with an alternative text.

    Text stays text, so that it can be searched and read aloud; coordinates keep two decimals.
    """
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = _with_own_names(text, f"f{zlib.crc32(alt.encode()):x}-")
    safe = escape(alt, quote=True).replace("\\", "\\\\")
    head = rf'<svg viewBox="\1" role="img" aria-label="{safe}">'
    text = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', head, text, count=1)
    text = re.sub(r'\bd="[^"]+"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found.group()), text)
    return re.sub(r"\s*\n\s*", "\n", text)


def _with_own_names(text: str, prefix: str) -> str:
    """Give the names inside an SVG a prefix, and all that refers to them."""
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", text)
    return re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', text)
