"""The command line: each command parses its arguments, calls one function of the library and prints the result.

Everything heavy is imported inside the commands, so that ``trilemma --help`` answers at once.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from trilemma import __version__, content
from trilemma.errors import OverrideError, TrilemmaError, TrilemmaWarning

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trilemma.translation.model import Model

INTERRUPTED = 130  # the status that typer gives to Ctrl-C
_UsageError: Any = typer.BadParameter.__base__  # typer gives it no name of its own

app = typer.Typer(
    name="trilemma",
    help="Forecasts of export controls on frontier AI: run models, sweep scenarios, compare them, make reports.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

MaxMemory = Annotated[
    str | None, typer.Option(help="Memory that results may take, such as '2 GB'; half of what is free by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]
ModelName = Annotated[str, typer.Argument(help="A folder under models/, or the path of a .mdl, .xmile or .stmx file.")]
ForecastName = Annotated[str, typer.Argument(help="A file under forecasts/ without its ending, or a path.")]


def _show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"trilemma {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    project: Annotated[
        Path | None,
        typer.Option(help="Folder with models/, forecasts/, notebooks/ of your own; results go there."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    content.set_project(project)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the models under models/.

    Example: [bold]trilemma models[/bold]
    """
    from trilemma.translation.inspection import describe_models

    _print_rows(describe_models(content.list_models()), as_json)


@app.command()
def show(
    model: ModelName,
    variable: Annotated[str | None, typer.Argument(help="A variable: everything that is known of it.")] = None,
    view: Annotated[str | None, typer.Option(help="List the variables of one view.")] = None,
    variables: Annotated[bool, typer.Option("--variables", help="List all variables, view by view.")] = False,
    kinks: Annotated[bool, typer.Option("--kinks", help="List where its equations have corners and jumps.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a model at a glance: views, stocks, loops, levers, mechanisms; or its variables, one of them, its kinks.

    Example: [bold]trilemma show export_controls "Leased Compute"[/bold]
    """
    from trilemma.translation.inspection import describe_variable, list_variables
    from trilemma.translation.model import load_model

    loaded = load_model(model)
    if kinks:
        from trilemma.engine.kinks import list_kinks

        _print_rows(list_kinks(loaded, variable, view), as_json)
    elif variable is not None:
        _print_rows(describe_variable(loaded, variable), as_json)
    elif view is not None or variables:
        _print_rows(list_variables(loaded, view), as_json)
    else:
        from trilemma.reporting.overview import overview, overview_page

        found = overview(loaded)
        _print_json(found) if as_json else _print_table(overview_page(found))


@app.command()
def run(
    model: ModelName,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help=r"Override, as 'name=value' or 'name\[element]=value'; may be repeated."),
    ] = None,
    outcomes: Annotated[list[str] | None, typer.Option("--outcome", help="What to save; may be repeated.")] = None,
    save_every: Annotated[float | None, typer.Option(help="Interval of the saved times.")] = None,
    method: Annotated[str, typer.Option(help="Integration method: euler or rk4.")] = "euler",
    output: Annotated[Path | None, typer.Option(help="Write the result to a .csv file or a .zarr folder.")] = None,
    max_memory: MaxMemory = None,
    as_json: AsJson = False,
) -> None:
    r"""Run a model once and print its outcomes over time.

    Example: [bold]trilemma run export_controls --outcome "exact lag" --set "control lever\[CHIP]=1"[/bold]
    """
    from trilemma.engine.simulate import simulate
    from trilemma.reporting.runs import run_table, write_run

    result = simulate(
        model,
        _assigned(assignments or []),
        outcomes=outcomes or None,
        save_every=save_every,
        method=_method(method),
        max_memory=_bytes(max_memory),
    )
    if output is not None:
        typer.echo(f"wrote {write_run(result, output)}")
    else:
        _print_rows(run_table(result), as_json)


@app.command()
def draw(
    model: ModelName,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the pictures; docs/structure/MODEL by default.")
    ] = None,
    sketch: Annotated[
        bool, typer.Option("--sketch", help="Write the sketch of a Vensim file anew instead, one view a group.")
    ] = False,
) -> None:
    """Draw the structure of a model: stocks and flows, view by view. Needs Graphviz.

    Example: [bold]trilemma draw export_controls[/bold]
    """
    from trilemma.reporting.diagrams.files import write_pictures, write_sketch
    from trilemma.translation.model import load_model

    loaded = load_model(model)
    if sketch:
        _print_path(write_sketch(loaded))
    else:
        folder = output or content.project_root() / "docs" / "structure" / loaded.name
        for path in write_pictures(loaded, folder):
            _print_path(path)


@app.command()
def evidence(
    model: ModelName = "export_controls",
    series: Annotated[str | None, typer.Argument(help="A series: all its rows, with source.")] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Hold the model's central run against the headline observations.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --fit: against every observation measured.")] = False,
    events: Annotated[bool, typer.Option("--events", help="List the dated events of policy.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw on a page instead: all series, or --fit. A .png, .svg or .pdf.")
    ] = None,
    method: Annotated[str, typer.Option(help="Integration method of --fit: euler or rk4.")] = "rk4",
    as_json: AsJson = False,
) -> None:
    """Show the evidence on a model: its series, one of them, its events, or how the model fits it.

    Example: [bold]trilemma evidence export_controls --fit[/bold]
    """
    from trilemma.calibration.evidence import load_evidence
    from trilemma.calibration.listing import list_events, list_observations, list_series
    from trilemma.translation.model import load_model

    loaded = load_model(model)
    if figure is not None:
        _draw_evidence(loaded, fit, _method(method), figure)
    elif fit:
        from trilemma.calibration.check import evidence_check
        from trilemma.reporting.fits import fit_records

        _print_rows(fit_records(evidence_check(loaded, everything=everything, method=_method(method))), as_json)
    elif events:
        _print_rows(list_events(load_evidence(loaded)), as_json)
    elif series is not None:
        _print_rows(list_observations(load_evidence(loaded), series), as_json)
    else:
        _print_rows(list_series(loaded), as_json)


@app.command()
def score(
    model: ModelName,
    observations: Annotated[Path, typer.Option(help="A file in the format of observations.csv.")],
    prior: Annotated[
        bool, typer.Option("--prior", help="Score draws from the priors instead of the posterior.")
    ] = False,
    carry: Annotated[bool, typer.Option("--carry", help="Let series go on with the errors they had so far.")] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="A row an observation, with the forecast and its bands.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score what a model foretells of observations: CRPS, coverage, skill against naive forecasts, per series.

    Example: [bold]trilemma score export_controls --observations new.csv --json[/bold]
    """
    from trilemma.calibration.score import score as score_model
    from trilemma.reporting.scores import observation_records, score_document, score_summary, score_table

    found = score_model(model, observations, prior=prior, carry=carry)
    if rows:
        _print_rows(observation_records(found), as_json)
    elif as_json:
        _print_json(score_document(found))
    else:
        _print_table(score_table(found))
        typer.echo(score_summary(found))


@app.command()
def backtest(
    model: ModelName,
    rivals: Annotated[
        str | None, typer.Option(help="Compare the variants of this forecast as rival structures as well.")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Show the result beside the model instead of making it anew.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fit a model to what was known at the ends of past years, and score what came after. Writes backtest.csv.

    Example: [bold]trilemma backtest export_controls --stored[/bold]
    """
    from trilemma.reporting.backtest_record import make_record, read_record, record_document
    from trilemma.reporting.backtests import backtest_table, findings, paragraphs
    from trilemma.reporting.rival_scores import rival_findings, rival_table
    from trilemma.translation.model import load_model

    loaded = load_model(model)
    with _progress("Backtesting") as progress:
        record = read_record(loaded) if stored else make_record(loaded, rivals, tell=progress)
    if as_json:
        _print_json(record_document(record))
        return
    _print_table(backtest_table(record.series))
    typer.echo(f"\n{paragraphs(findings(record.series, loaded.hindsight))}")
    if record.rivals is not None:
        typer.echo("")
        _print_table(rival_table(record.rivals))
        typer.echo(f"\n{paragraphs(rival_findings(record.rivals))}")


@app.command()
def calibrate(
    model: ModelName = "export_controls",
    draws: Annotated[int, typer.Option(min=1, help="Draws of the ensemble, of all chains together.")] = 1000,
    chains: Annotated[int, typer.Option(min=2, help="Chains of --method nuts.")] = 4,
    until: Annotated[str | None, typer.Option(help="Use observations up to this day only, such as 2024-12-31.")] = None,
    method: Annotated[str, typer.Option(help="nuts, laplace or weights.")] = "nuts",
    global_check: Annotated[
        bool, typer.Option("--global-check", help="Look for other modes of the fit as well: 10,240 more runs.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    output: Annotated[Path | None, typer.Option(help="The file; posterior.nc beside the model by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate a model on its evidence and write its posterior ensemble, which forecasts then draw from.

    Example: [bold]trilemma calibrate export_controls --draws 1000[/bold]
    """
    from trilemma.engine.compiler import ask_for_threads

    ask_for_threads()  # before JAX is used: half of the threads wait for the others
    from trilemma.calibration.release import calibrate as run_calibration
    from trilemma.calibration.release import calibration_rows, read_day, read_inference
    from trilemma.translation.ensemble import ensemble_path, read_ensemble
    from trilemma.translation.model import load_model

    loaded = load_model(model)
    with _progress(f"Calibrating {loaded.name}") as progress:
        tree = run_calibration(
            loaded,
            until=read_day(until),
            draws=draws,
            chains=chains,
            method=read_inference(method),
            global_check=global_check,
            seed=seed,
            path=output,
            tell=progress,
        )
    diagnosed = tree["diagnostics"].to_dataset() if "diagnostics" in tree else None
    _print_rows(calibration_rows(loaded, read_ensemble(loaded, output), diagnosed), as_json)
    if not as_json:
        if global_check:
            typer.echo(tree.attrs["global_check"])
        _print_path(output or ensemble_path(loaded))


@app.command()
def reference(
    model: ModelName,
    assumptions: Annotated[
        str | None, typer.Option(help="Rank the assumptions by the stored results of this forecast instead.")
    ] = None,
    outcomes: Annotated[
        str | None, typer.Option(help="Outcomes whose spread counts, separated by commas; the model's headline.")
    ] = None,
    at: Annotated[float, typer.Option(help="Time at which the outcomes are read, a decimal year.")] = 2030,
    output: Annotated[Path | None, typer.Option(help="Folder to write to; models/MODEL of the project.")] = None,
) -> None:
    """Write the reference of a model: every equation with unit, range, source and use; or its assumptions, ranked.

    Example: [bold]trilemma reference export_controls[/bold]
    """
    from trilemma.reporting.reference import write_assumptions, write_reference
    from trilemma.translation.model import load_model

    loaded = load_model(model)
    folder = output or content.project_root() / "models" / loaded.name
    if assumptions is None:
        _print_path(write_reference(loaded, folder))
        return
    _print_path(write_assumptions(loaded, assumptions, folder, outcomes=_listed(outcomes), at=at))


@app.command()
def sweep(forecast: ForecastName, max_memory: MaxMemory = None) -> None:
    """Run what is missing in the store of a forecast: all its scenarios on the same draws.

    Example: [bold]trilemma sweep policy_comparison[/bold]
    """
    from trilemma.forecasting.spec import load_forecast
    from trilemma.forecasting.store import store_path
    from trilemma.forecasting.sweep import sweep as run_sweep

    loaded = load_forecast(forecast)
    with _progress(f"Sweeping {loaded.name}") as progress:
        run_sweep(loaded, progress=progress, max_memory=_bytes(max_memory))
    _print_path(store_path(loaded.name))


@app.command()
def compare(
    forecast: ForecastName,
    scenarios: Annotated[
        str | None, typer.Option(help="Scenarios to compare, separated by commas; all by default.")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="The scenario that the others are held against.")] = None,
    at: Annotated[
        float | None, typer.Option(help="Time of the comparison, a decimal year; the last by default.")
    ] = None,
    outcomes: Annotated[
        str | None, typer.Option(help="Outcomes to compare, separated by commas; all by default.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="One of the forecast's variants; all together by default.")
    ] = None,
    relative: Annotated[bool, typer.Option("--relative", help="Differences in per cent of the baseline.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the table to a CSV file instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare scenarios side by side: medians, and paired differences from the baseline with 5-95 % bands.

    Example: [bold]trilemma compare policy_comparison --scenarios as_enacted,hardware_only --at 2030[/bold]
    """
    from trilemma.forecasting.compare import compare as compare_scenarios
    from trilemma.forecasting.spec import load_forecast
    from trilemma.forecasting.sweep import open_results
    from trilemma.reporting import tables

    frame = compare_scenarios(
        open_results(load_forecast(forecast)),
        scenarios=_listed(scenarios),
        baseline=baseline,
        at=at,
        outcomes=_listed(outcomes),
        variant=variant,
    )
    if csv is not None:
        tables.to_csv(frame, csv)
        typer.echo(f"wrote {csv}")
    elif as_json:
        typer.echo(tables.to_json(frame))
    else:
        _print_table(tables.comparison_table(frame, relative=relative))


@app.command()
def claims(
    forecast: ForecastName,
    claim: Annotated[list[str] | None, typer.Option("--claim", help="One claim by its name; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put the claims of a model to the test: verdict, probability, and the assumptions on which it flips.

    Example: [bold]trilemma claims policy_comparison --claim H2[/bold]
    """
    from trilemma.forecasting.spec import load_forecast
    from trilemma.reporting import claim_tables
    from trilemma.reporting.claim_study import judge_forecast

    study = judge_forecast(load_forecast(forecast), claim or None)
    if as_json:
        typer.echo(claim_tables.to_json(study))
    else:
        _print_table(claim_tables.claims_table(study))


@app.command()
def report(
    forecast: Annotated[
        str, typer.Argument(help="A file under forecasts/ without its ending, or a path.")
    ] = "policy_comparison",
    check: Annotated[
        bool, typer.Option("--check", help="Make the report again and fail if a number in it has changed.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Make it again even if nothing that it stands on changed.")
    ] = False,
    notebook: Annotated[
        str | None, typer.Option(help="Another notebook than its own, such as 'claims': one page for each claim.")
    ] = None,
) -> None:
    """Make the report of a forecast from its store: one HTML page.

    Example: [bold]trilemma report policy_comparison --notebook claims[/bold]
    """
    from trilemma.forecasting.spec import load_forecast
    from trilemma.reporting.render import report as make_report

    with _progress("Writing the report") as progress:
        loaded = load_forecast(forecast)
        paths = make_report(loaded, notebook=notebook, check=check, force=force, progress=progress)
    for path in paths:
        _print_path(path)


@app.command()
def forecast(
    forecast: Annotated[str, typer.Argument(help="A file under forecasts/, or a path.")] = "policy_comparison",
) -> None:
    """Sweep a forecast, then make its report: everything from nothing.

    Example: [bold]trilemma forecast policy_comparison[/bold]
    """
    from trilemma.forecasting.spec import load_forecast
    from trilemma.forecasting.sweep import sweep as run_sweep
    from trilemma.reporting.render import report as make_report

    loaded = load_forecast(forecast)
    with _progress(f"Sweeping {loaded.name}") as progress:
        run_sweep(loaded, progress=progress)
    with _progress("Writing the report") as progress:
        paths = make_report(loaded, progress=progress)
    for path in paths:
        _print_path(path)


@app.command()
def check(
    model: ModelName,
    only: Annotated[str | None, typer.Option(help="Categories of tests, separated by commas; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Test a model against what its checks.toml says of it; exit status 1 if a test fails.

    Example: [bold]trilemma check export_controls --only sign,conservation[/bold]
    """
    from trilemma.reporting.scorecard import scorecard_records, scorecard_table, summary
    from trilemma.validation.scorecard import check as check_model

    with _progress("Testing") as progress:
        checks = check_model(model, only=_listed(only), progress=progress)
    if as_json:
        _print_rows(scorecard_records(checks), as_json)
    else:
        _print_table(scorecard_table(checks))
        typer.echo(summary(checks))
    if not all(one.passes for one in checks):
        raise typer.Exit(1)


def _draw_evidence(model: Model, fit: bool, method: Literal["euler", "rk4"], path: Path) -> None:
    """Draw all series of evidence on a page, or all that is measured with what the model shows."""
    from trilemma.calibration.check import evidence_check
    from trilemma.calibration.evidence import load_evidence
    from trilemma.reporting.evidence import evidence_figure
    from trilemma.reporting.fits import fit_figure
    from trilemma.reporting.style import write_figure

    fitted = fit_figure(evidence_check(model, everything=True, method=method)) if fit else None
    _print_path(write_figure(fitted or evidence_figure(load_evidence(model)), path))


def _method(text: str) -> Literal["euler", "rk4"]:
    """Return the name of an integration method.

    Raises
    ------
    OverrideError
        If there is no such method.
    """
    if text not in ("euler", "rk4"):
        message = f"unknown method '{text}': expected 'euler' or 'rk4'."
        raise OverrideError(message)
    return text


@app.command()
def caches(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all of it: it is made anew when needed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is kept on disk to start faster: models as they were read, and compiled programs.

    Example: [bold]trilemma caches --clear[/bold]
    """
    from trilemma import caches as kept

    if clear:
        kept.clear()
    rows = [
        {"kept": kind, "entries": entries, "MiB": round(size / 2**20, 2), "folder": str(kept.folder(kind))}
        for kind, (entries, size) in kept.sizes().items()
    ]
    _print_rows(rows, as_json)


def _bytes(size: str | None) -> int | None:
    """Return the bytes of a memory limit."""
    from trilemma.engine.budget import read_size

    return None if size is None else read_size(size)


def _assigned(assignments: list[str]) -> dict[str, float]:
    """Parse 'name=value' pairs.

    Raises
    ------
    OverrideError
        If one is not of that form.
    """
    found: dict[str, float] = {}
    for text in assignments:
        name, equals, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            message = (
                f"cannot read --set '{text}': expected 'name=value' with a number, such as 'control lever[CHIP]=1'."
            )
            raise OverrideError(message)
    return found


def _listed(text: str | None) -> list[str] | None:
    """Split a comma-separated option; commas inside brackets do not count.

    Raises
    ------
    TrilemmaError
        If it names nothing.
    """
    if text is None:
        return None
    parts, depth = [""], 0
    for char in text:
        depth += (char == "[") - (char == "]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        message = f"the list '{text}' names nothing: give names separated by commas, or leave the option out for all."
        raise TrilemmaError(message)
    return names


def _print_path(path: Path) -> None:
    """Print a path, relative to the current folder where it lies below it."""
    typer.echo(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print records as JSON or as a table."""
    if as_json:
        _print_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    names = list(rows[0]) if rows else []
    for name in names:
        numeric = all(isinstance(row[name], int | float | None) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    _print_table(table)


def _print_json(found: object) -> None:
    """Print what was found as JSON."""
    import json

    typer.echo(json.dumps(found, ensure_ascii=False, indent=1))


def _shown(value: object) -> str:
    """Return a value as a cell; what is undefined is a dash."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_table(table: RenderableType) -> None:
    """Print a table; wide enough for a file or a pipe when there is no terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 200).print(table)


@contextmanager
def _progress(title: str) -> Generator[Callable[[int, int, str], None]]:
    """Show a progress bar on standard error while the block runs; silent where there is no terminal."""
    gc.enable()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def update(done: int, total: int, label: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{title}: {label}" if label else title)

        yield update


def _usage(error: Any) -> str:  # noqa: ANN401
    """Return what is wrong with the words of a command as one sentence."""
    command = error.ctx.command_path if error.ctx else "trilemma"
    said = " ".join(error.format_message().split()).rstrip(".?").replace(". ", "; ")
    return f"{said[:1].lower()}{said[1:]}; '{command} --help' shows what it takes."


def _fail(message: str, status: int) -> NoReturn:
    """Print one sentence on standard error and stop with a status."""
    typer.echo(f"trilemma: {message}", err=True)
    raise SystemExit(status)


def _show_warning(message: Warning | str, category: type[Warning], *_args: object, **_kwargs: object) -> None:
    """Print our own warnings as one line on standard error; those of libraries are not for the user."""
    if issubclass(category, TrilemmaWarning):
        typer.echo(f"trilemma: warning: {message}", err=True)


def main() -> None:
    """Run the command line; a user's mistake becomes one sentence and exit status 2, Ctrl-C becomes 130."""
    import warnings

    gc.disable()  # a quarter of the time to start goes into looking for cycles; long work looks for them again
    warnings.showwarning = _show_warning
    try:
        status = app(prog_name="trilemma", standalone_mode=False)
    except TrilemmaError as error:
        _fail(str(error), error.exit_code)
    except _UsageError as error:
        _fail(_usage(error), error.exit_code)
    if status == INTERRUPTED:
        _fail("stopped; what was there before is untouched.", INTERRUPTED)
    raise SystemExit(status)


if __name__ == "__main__":
    main()
