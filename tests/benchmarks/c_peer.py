"""A peer for the benchmark: C++ made from the same equations, unrolled to scalars, eight runs to a vector register.

It knows what the shipped model needs, Euler's method and a fixed clock; anything else is a NotImplementedError. What
stands on parameters alone is worked out once for each block of runs, what stands on time alone once for all runs. exp
and log come from libmvec. Compiled with g++ -O3 -march=native -fopenmp; runs on all processors.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np

from trilemma.translation import ir
from trilemma.translation.model import Model

LANES = 8
FLAGS = ("-O3", "-march=native", "-fopenmp", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-w")
HEADER = """
#include <cmath>
#include <vector>
typedef double V __attribute__((vector_size(64)));
extern "C" V _ZGVeN8v_exp(V); extern "C" V _ZGVeN8v_log(V);
static inline V bc(double x) { return V{} + x; }
static inline V bc(V x) { return x; }
static inline V ex(V x) { return _ZGVeN8v_exp(x); }
static inline double ex(double x) { return std::exp(x); }
static inline V ln(V x) { return _ZGVeN8v_log(x); }
static inline double ln(double x) { return std::log(x); }
static inline V root(V x) { V r; for (int i = 0; i < 8; i++) r[i] = std::sqrt(x[i]); return r; }
static inline double root(double x) { return std::sqrt(x); }
template <class T> static inline T low(T a, T b) { return a < b ? a : b; }
template <class T> static inline T high(T a, T b) { return a > b ? a : b; }
template <class T> static inline T power(T a, T b) { return ex(b * ln(a)); }
static inline V pick(V c, V a, V b) { return c != 0 ? a : b; }
static inline double pick(double c, double a, double b) { return c != 0 ? a : b; }
#define COMPARED(T, one, zero) static inline T is_less(T a, T b) { return a < b ? one : zero; } \\
  static inline T is_most(T a, T b) { return a <= b ? one : zero; } \\
  static inline T is_same(T a, T b) { return a == b ? one : zero; }
COMPARED(double, 1.0, 0.0)
COMPARED(V, bc(1.0), bc(0.0))
static inline double over(double a, double b, double x = 0) { return std::fabs(b) < 1e-6 ? x : a / b; }
static inline V over(V a, V b, V x = V{}) { return (b < 0 ? -b : b) < 1e-6 ? x : a / b; }
extern "C" void many(double *x, long n, int logs) {
  for (long i = 0; i < n; i += 8) { V *v = (V*)(x + i); *v = logs ? ln(*v) : ex(*v); }
}
static inline double table(double a, const double *x, const double *y, int n) {
  if (a < x[0]) return y[0];
  for (int i = 1; i < n; i++) if (a < x[i]) return y[i-1] + (y[i]-y[i-1]) / (x[i]-x[i-1]) * (a - x[i-1]);
  return y[n-1];
}
static inline V table(V a, const double *x, const double *y, int n) {
  V r; for (int i = 0; i < 8; i++) r[i] = table(a[i], x, y, n); return r;
}
"""

Element = tuple[str, tuple[int, ...]]
"""A scalar element: the key of its variable and its position along each dimension."""

COMPARISONS: dict[str, Callable[[str, str], str]] = {
    "<": lambda a, b: f"is_less({a}, {b})",
    ">": lambda a, b: f"is_less({b}, {a})",
    "<=": lambda a, b: f"is_most({a}, {b})",
    ">=": lambda a, b: f"is_most({b}, {a})",
    "=": lambda a, b: f"is_same({a}, {b})",
    "and": lambda a, b: f"({a}*{b})",
    "or": lambda a, b: f"high({a}, {b})",
}
FUNCTIONS = {"exp": "ex", "ln": "ln", "sqrt": "root", "min": "low", "max": "high", "if_then_else": "pick"} | {
    "zidz": "over",
    "xidz": "over",
}
REDUCTIONS: dict[str, Callable[[str, str], str]] = {
    "sum": lambda a, b: f"({a} + {b})",
    "prod": lambda a, b: f"({a} * {b})",
    "vmax": lambda a, b: f"high({a}, {b})",
    "vmin": lambda a, b: f"low({a}, {b})",
}


@dataclass(frozen=True)
class Code:
    """A piece of C++ and what it depends on: any of "p" (parameters), "t" (time), "s" (state)."""

    text: str
    on: frozenset[str] = frozenset()

    @property
    def wide(self) -> bool:
        """Whether it is a vector over runs: all but what stands on time or on nothing."""
        return bool(self.on & {"p", "s"})


@dataclass
class _Section:
    """The statements of one scope and the elements that they have defined."""

    lines: list[str] = field(default_factory=list[str])
    known: dict[Element, Code] = field(default_factory=dict[Element, Code])
    initial: bool = False


class Generator:
    """Writes the C++ of a model, lazily: an element is written when something needs it."""

    def __init__(self, model: Model, parameters: Sequence[str], outcomes: Sequence[str]) -> None:
        self.model = model
        self.ranges = model.lower_ranges
        self.parameters = {self._element(name): i for i, name in enumerate(parameters)}
        self.outcomes = [e for name in outcomes for e in self._elements(name)]
        self.fixed: list[str] = []  # what stands on parameters alone
        self.timed: list[str] = []  # what stands on time alone
        self.data: list[str] = []
        self.shared: dict[tuple[Element, bool], Code] = {}
        self.stocks: dict[Element, str] = {}
        self.count = 0
        self.calls = (0, 0)

    def _element(self, name: str) -> Element:
        selection = self.model.resolve(name)
        return selection.variable.key, selection.indices or ()

    def _elements(self, name: str) -> list[Element]:
        selection = self.model.resolve(name)
        if selection.indices is not None:
            return [(selection.variable.key, selection.indices)]
        return [(selection.variable.key, index) for index in np.ndindex(selection.variable.shape)]

    def source(self) -> str:
        """Return the whole program."""
        clock = self.model.clock
        save, step, start = _Section(), _Section(), _Section(initial=True)
        results = [self.value(element, save) for element in self.outcomes]
        flows: dict[str, Code] = {}
        while len(flows) < len(self.stocks):  # flows find further stocks
            for element, name in list(self.stocks.items()):
                if name not in flows:
                    flows[name] = self._settled(self._definition(element, step, flow=True), step)
        begin = {name: self._settled(self._definition(e, start, flow=False), start) for e, name in self.stocks.items()}
        steps = round(clock.saveper / clock.time_step)
        saves = round((clock.final_time - clock.initial_time) / clock.saveper) + 1
        stores = [f"*(V*)(out + ({i}L*{saves} + s)*n + b) = bc({code.text});" for i, code in enumerate(results)]
        # a flow may be another stock: all flows are read before the first stock moves
        moves = [f"const V d{name} = {clock.time_step!r} * bc({code.text});" for name, code in flows.items()]
        moves += [f"{name} += d{name};" for name in flows]
        slots = len(self.timed)
        body = " ".join([*step.lines, *moves])
        powers = body.count("power(")
        self.calls = (body.count(" ex(") + body.count("(ex(") + powers, body.count("ln(") + powers)
        lines = [
            HEADER,
            *self.data,
            f"static void timed(double time, double *T) {{ {' '.join(self.timed)} }}",
            'extern "C" void run(const double *p, double *out, long n) {',
            f"std::vector<double> grid({slots + 1}L*{saves * steps + 1});",
            f"for (long i = 0; i <= {saves * steps}; i++) "
            f"timed({clock.initial_time!r} + i*{clock.time_step!r}, &grid[i*{slots + 1}]);",
            "#pragma omp parallel for schedule(dynamic, 4)",
            f"for (long b = 0; b < n; b += {LANES}) {{",
            *self.fixed,
            "const double *T = &grid[0];",
            *(f"V {name};" for name in self.stocks.values()),
            "{",
            *start.lines,
            *(f"{name} = bc({code.text});" for name, code in begin.items()),
            "}",
            f"for (long s = 0; ; s++) {{ T = &grid[s*{steps * (slots + 1)}];",
            *save.lines,
            *stores,
            f"if (s == {saves - 1}) break;",
            f"for (int k = 0; k < {steps}; k++, T += {slots + 1}) {{",
            *step.lines,
            *moves,
            "}}}}",
        ]
        return "\n".join(lines)

    def value(self, element: Element, section: _Section) -> Code:
        """Return an element's value, written where its dependence allows."""
        if element in self.parameters:
            return self._once(element, lambda: self._place(f"*(const V*)(p + {self.parameters[element]}L*n + b)", "p"))
        if element in section.known:
            return section.known[element]
        if (element, section.initial) in self.shared:
            return self.shared[element, section.initial]
        key, index = element
        expression = self._component(element).expression
        if isinstance(expression, ir.Integral):
            self.stocks.setdefault(element, f"x{len(self.stocks)}")
            if not section.initial:
                return Code(self.stocks[element], frozenset("s"))
            code = self._settled(self._definition(element, section, flow=False), section)
        elif ir.is_literal(expression):
            code = Code(repr(float(self.model.literals[key][index])))
        else:
            code = self._settled(self._definition(element, section, flow=False), section)
        if "s" in code.on or section.initial or code.on.issuperset({"p", "t"}):
            section.known[element] = code
        else:
            self.shared[element, False] = code
        return code

    def _once(self, element: Element, make: Callable[[], Code]) -> Code:
        if (element, False) not in self.shared:
            self.shared[element, False] = make()
        return self.shared[element, False]

    def _component(self, element: Element) -> ir.Component:
        key, index = element
        return self.model.nodes[key].components[int(self.model.owners[key][index])]

    def _definition(self, element: Element, section: _Section, *, flow: bool) -> Code:
        """Return an element's equation: for a stock its flow or its initial value."""
        key, index = element
        variable, component = self.model.nodes[key], self._component(element)
        labels = [axis[i] for axis, i in zip(variable.elements, index, strict=True)]
        places = {
            s.lower(): [e.lower() for e in self.ranges[s.lower()]].index(label.lower())
            for s, label in zip(component.subscripts, labels, strict=True)
            if s.lower() in self.ranges
        }
        expression = component.expression
        if isinstance(expression, ir.Integral):
            expression = expression.flow if flow else expression.initial
        return self.code(expression, places, section)

    def _place(self, text: str, on: str) -> Code:
        """Write a value that stands on parameters or on time alone where it is worked out once."""
        self.count += 1
        if on == "p":
            self.fixed.append(f"const V f{self.count} = {text};")
            return Code(f"f{self.count}", frozenset("p"))
        self.timed.append(f"T[{len(self.timed)}] = {text};")
        return Code(f"T[{len(self.timed) - 1}]", frozenset("t"))

    def _settled(self, code: Code, section: _Section) -> Code:
        """Give a value a name, in the scope that its dependence allows."""
        simple = code.text.replace(".", "").replace("_", "").isalnum() or code.text.startswith("T[")
        if not code.on or (simple and code.text != "time"):  # time itself is known to the table of times alone
            return code
        if code.on == frozenset("t") and not section.initial:
            return self._place(code.text, "t")
        if code.on == frozenset("p"):
            return self._place(code.text, "p")
        self.count += 1
        section.lines.append(f"const {'V' if code.wide else 'double'} v{self.count} = {code.text};")
        return Code(f"v{self.count}", code.on)

    def _joined(self, parts: Sequence[Code], section: _Section, make: Callable[..., str]) -> Code:
        """Combine values; what is worked out once is taken out of what is not."""
        on = frozenset[str]().union(*(part.on for part in parts))
        settled = [self._settled(part, section) if part.on != on else part for part in parts]
        wide = bool(on & {"p", "s"})
        return Code(make(*(f"bc({p.text})" if wide and not p.wide else p.text for p in settled)), on)

    def code(self, node: ir.Expression, places: Mapping[str, int], section: _Section) -> Code:
        """Return an expression as C++, with the position along each open range."""

        def all_of(*nodes: ir.Expression) -> list[Code]:
            return [self.code(part, places, section) for part in nodes]

        match node:
            case ir.Number(value):
                return Code(f"({value!r})")
            case ir.Reference("time"):
                if section.initial:
                    return Code(repr(float(self.model.clock.initial_time)))
                return Code("time", frozenset("t"))
            case ir.Reference("initial_time" | "final_time" | "time_step"):
                return Code(repr(float(getattr(self.model.clock, node.key))))
            case ir.Reference():
                return self.value((node.key, self._selected(node, places)), section)
            case ir.Operation("^", (base, exponent)):
                return self._power(base, exponent, all_of, section)
            case ir.Operation("negative", operands):
                return self._joined(all_of(*operands), section, lambda a: f"(-{a})")
            case ir.Operation("not", operands):
                return self._joined(all_of(*operands), section, lambda a: f"(1.0 - {a})")
            case ir.Operation(operator, operands) if operator in "+-*/":
                return self._joined(all_of(*operands), section, lambda *a: f"({f' {operator} '.join(a)})")
            case ir.Operation(operator, operands) if operator in COMPARISONS:
                return self._joined(all_of(*operands), section, COMPARISONS[operator])
            case ir.Table(argument, x, y, "interpolate"):
                name = f"tab{len(self.data)}"
                self.data.append(f"static const double {name}x[] = {_listed(x)}, {name}y[] = {_listed(y)};")
                return self._joined(all_of(argument), section, lambda a: f"table({a}, {name}x, {name}y, {len(x)})")
            case ir.Call(function, arguments) if function in FUNCTIONS:
                return self._joined(all_of(*arguments), section, lambda *a: f"{FUNCTIONS[function]}({', '.join(a)})")
            case ir.Call(function, (argument,)) if function in REDUCTIONS:
                return self._reduced(function, argument, places, section)
            case ir.Call("step", (height, start)):
                half = ir.Operation("+", (ir.Reference("time"), ir.Number(self.model.time_step / 2)))
                condition = ir.Operation(">", (half, start))
                return self.code(ir.Call("if_then_else", (condition, height, ir.Number(0.0))), places, section)
            case ir.Call("ramp", (slope, start, end)):
                late = ir.Operation("+", (ir.Reference("time"), ir.Number(1e-6)))
                until = ir.Call("min", (ir.Reference("time"), end))
                rise = ir.Operation("*", (slope, ir.Operation("-", (until, start))))
                condition = ir.Operation(">", (late, start))
                return self.code(ir.Call("if_then_else", (condition, rise, ir.Number(0.0))), places, section)
            case _:
                raise NotImplementedError(str(node))

    def _power(
        self,
        base: ir.Expression,
        exponent: ir.Expression,
        all_of: Callable[..., list[Code]],
        section: _Section,
    ) -> Code:
        if isinstance(exponent, ir.Number) and exponent.value in (2, 0.5, -1):
            form = {2: "({0}*{0})", 0.5: "root({0})", -1: "(1.0/{0})"}[exponent.value]
            settled = self._settled(all_of(base)[0], section)
            return self._joined([settled], section, form.format)
        return self._joined(all_of(base, exponent), section, lambda a, b: f"power({a}, {b})")

    def _reduced(self, function: str, argument: ir.Expression, places: Mapping[str, int], section: _Section) -> Code:
        marks = sorted(ir.free_marks(argument))
        sizes = [range(len(self.ranges[mark.removesuffix("!")])) for mark in marks]
        parts = [
            self.code(argument, {**places, **dict(zip(marks, where, strict=True))}, section)
            for where in product(*sizes)
        ]
        result = parts[0]
        for part in parts[1:]:
            settled = [self._settled(code, section) for code in (result, part)]
            result = self._joined(settled, section, REDUCTIONS[function])
        return result

    def _selected(self, reference: ir.Reference, places: Mapping[str, int]) -> tuple[int, ...]:
        """Return the position along each dimension that a reference selects."""
        index: list[int] = []
        for subscript, labels in zip(reference.subscripts, self.model.nodes[reference.key].elements, strict=True):
            axis, name = ir.axis_of(subscript).lower(), ir.range_of(subscript)
            label = self.ranges[name.lower()][places[axis]] if axis in places else name
            index.append([e.lower() for e in labels].index(label.lower()))
        return tuple(index)


def _listed(values: Sequence[float]) -> str:
    return "{" + ",".join(repr(float(v)) for v in values) + "}"


@dataclass(frozen=True)
class Peer:
    """The compiled program of a model."""

    library: ctypes.CDLL
    elements: int
    saves: int
    exps: int
    logs: int
    """How often a step calls exp and log, for one run."""

    def arrays(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return parameters, shape (parameters, runs), and room for outcomes, (elements, saves, runs), for `run`."""
        given, out = aligned(theta.shape), aligned((self.elements, self.saves, theta.shape[-1]))
        given[:], out[:] = theta, 0.0
        return given, out

    def run(self, given: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Simulate; the number of runs is a multiple of eight."""
        assert given.shape[-1] % LANES == 0
        pointer = ctypes.POINTER(ctypes.c_double)
        self.library.run(given.ctypes.data_as(pointer), out.ctypes.data_as(pointer), ctypes.c_long(given.shape[-1]))
        return out

    def many(self, x: np.ndarray, *, logs: bool) -> None:
        """Take exp or log of an aligned array, in place."""
        pointer = ctypes.POINTER(ctypes.c_double)
        self.library.many(x.ctypes.data_as(pointer), ctypes.c_long(x.size), ctypes.c_int(logs))


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array that starts on a cache line."""
    size = int(np.prod(shape)) * 8
    raw = np.empty(size + 64, dtype=np.uint8)
    shift = -raw.ctypes.data % 64
    return raw[shift : shift + size].view(float).reshape(shape)


def compile_peer(model: Model, parameters: Sequence[str], outcomes: Sequence[str], folder: Path) -> Peer:
    """Write, compile and load the program of a model."""
    generator = Generator(model, parameters, outcomes)
    source, library = folder / "peer.cpp", folder / "peer.so"
    source.write_text(generator.source(), encoding="utf-8")
    subprocess.run(["g++", *FLAGS, str(source), "-o", str(library), "-lmvec", "-lm"], check=True)
    clock = model.clock
    saves = round((clock.final_time - clock.initial_time) / clock.saveper) + 1
    return Peer(ctypes.CDLL(str(library)), len(generator.outcomes), saves, *generator.calls)
