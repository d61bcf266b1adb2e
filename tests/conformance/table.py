"""The conformance table: all cases."""

from __future__ import annotations

from tests.conformance.functions import FUNCTIONS
from tests.conformance.structures import STRUCTURES

CASES = (*STRUCTURES, *FUNCTIONS)
