"""The results of an experiment as a table for a paper: an arm a row, generation 1 and the end, with intervals over seeds."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.intervals import LEVEL, bootstrap, columns
from pipeline.experiment.errors import BadInput
from pipeline.experiment.params import Params
from pipeline.storage.files import write_text
from pipeline.storage.layout import Layout
from pipeline.views.papers.sources import bibliography
from pipeline.views.report.results import collect, tail, yardsticks
from pipeline.views.report.verdicts import compared

STATISTICS = ("mean", "low", "high", "median", "geometric_mean", "fresh_low", "fresh_high")
"""Columns that FID has in a table, after first_ (generation 1) and end_."""
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}
"""What LaTeX reads as something else than a character."""


def build(params: Params, formats: list[str]) -> list[Path]:
    """Write the table in the formats, and sources.bib beside it; gives the files. Raises BadInput without a generation."""
    layout = Layout(params.experiment)
    results = collect(params) if layout.facts.exists() else pd.DataFrame()
    if results.empty:
        raise BadInput(f"tables: {params.experiment!r} has no finished generation (self-consuming run)")
    table, folder = rows(params, results), layout.reports / "tables"
    written = []
    for kind in formats:
        ending, write = WRITERS[kind]
        written.append(folder / f"fid.{ending}")
        write_text(written[-1], write(params, table))
    written.append(folder / "sources.bib")
    write_text(written[-1], bibliography(params))
    return written


def rows(params: Params, results: pd.DataFrame) -> pd.DataFrame:
    """A row an arm: its seeds, generations, samples and floor, and the FID of generation 1 and of the end.

    Over the seeds whose chains are long enough to be compared (`pipeline.views.report.verdicts.compared`): seeds of so many
    chains. The end is each chain's mean over its last end_over generations. mean with its 95 % bootstrap interval low to high;
    median, geometric_mean, and where the median of as many fresh seeds lies, fresh_low to fresh_high.
    """
    marks, found = yardsticks(params, results), []
    for arm, of_arm in results.groupby("arm", sort=False):
        chains = {seed: chain.sort_values("generation")["fid"].to_numpy() for seed, chain in of_arm.groupby("seed")}
        curves = np.array(list(compared(chains).values()))
        end = tail(curves[0])
        row = {"arm": arm, "loop": params.arms[str(arm)].loop, "strategy": params.arms[str(arm)].strategy}
        row |= {"seeds": len(curves), "chains": len(chains), "generations": curves.shape[1], "end_over": len(end)}
        row |= {"n_samples": int(of_arm["n_samples"].max()), "floor": marks.floor, "floor_n": marks.floor_n}
        row |= _statistics("first", curves[:, 0]) | _statistics("end", curves[:, -len(end) :].mean(axis=1))
        found.append(row)
    return pd.DataFrame(found)


def _statistics(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """The columns name_mean, ... of values [seeds]; one seed has no interval."""
    mean = bootstrap(values)
    low, high = (mean.low, mean.high) if len(values) > 1 else (np.nan, np.nan)
    spread = columns(name, values)
    known = {f"{name}_mean": mean.value, f"{name}_low": low, f"{name}_high": high}
    return known | {key: spread[key] for key in (f"{name}_{statistic}" for statistic in STATISTICS[3:])}


def csv(params: Params, table: pd.DataFrame) -> str:
    """Every column, with all digits."""
    return table.to_csv(index=False, lineterminator="\n")


def markdown(params: Params, table: pd.DataFrame) -> str:
    """A table of Markdown, and a line that says what it shows."""
    heads, body = _printed(table)
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in body]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *escaped]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{_caption(params, table)}\n"


def latex(params: Params, table: pd.DataFrame) -> str:
    """A tabular with the rules of booktabs; what it shows is a comment above it."""
    heads, body = _printed(table)
    lines = [" & ".join(escape(cell).replace(" to ", "--") for cell in row) + r" \\" for row in body]
    head = " & ".join(escape(cell) for cell in heads) + r" \\"
    caption = _caption(params, table)
    begin, end = rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\end{tabular}"
    parts = [rf"% \usepackage{{booktabs}}; {caption}", begin, r"\toprule", head, r"\midrule", *lines, r"\bottomrule", end]
    return "\n".join(parts) + "\n"


Writer = Callable[[Params, pd.DataFrame], str]
WRITERS: dict[str, tuple[str, Writer]] = {"latex": ("tex", latex), "markdown": ("md", markdown), "csv": ("csv", csv)}
"""Of each format: how its files end, and what writes it."""


def escape(text: str) -> str:
    """The text as LaTeX prints it."""
    return re.sub(r"[\\~^&%$#_{}]", lambda found: SPECIAL[found[0]], text)


def _printed(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """The heads and cells of the table that is read: three figures, intervals in brackets."""
    heads = ["arm", "seeds", "samples", "floor", "generation 1: mean", "median", "end: mean", "median", "geometric mean"]
    body = []
    for row in table.to_dict("records"):
        seeds = str(row["seeds"]) if row["seeds"] == row["chains"] else f"{row['seeds']} of {row['chains']}"
        cells = [str(row["arm"]), seeds, str(row["n_samples"]), _figure(row["floor"])]
        cells += [_interval(row, "first", ""), _interval(row, "first", "median"), _interval(row, "end", "")]
        body.append([*cells, _interval(row, "end", "median"), _figure(row["end_geometric_mean"])])
    return heads, body


def _interval(row: dict[object, float], name: str, statistic: str) -> str:
    """A mean with its bootstrap interval, or a median with where that of as many fresh seeds lies."""
    value, low, high = ("median", "fresh_low", "fresh_high") if statistic else ("mean", "low", "high")
    text = _figure(row[f"{name}_{value}"])
    if np.isnan(row[f"{name}_{low}"]):
        return text
    return f"{text} ({_figure(row[f'{name}_{low}'])} to {_figure(row[f'{name}_{high}'])})"


def _figure(value: float) -> str:
    """Three significant figures, zeros at the end included; nothing for what is not known."""
    return "" if np.isnan(value) else f"{value:#.3g}".removesuffix(".")


def _caption(params: Params, table: pd.DataFrame) -> str:
    ends = ", ".join(f"{row['arm']} {row['end_over']} of {row['generations']}" for row in table.to_dict("records"))
    return (
        f"FID of {params.experiment}; end: the mean of a chain's last generations ({ends}); means with {100 * LEVEL:.0f} %"
        " bootstrap intervals over seeds, medians with where the median of as many fresh seeds lies;"
        f" floor: {int(table['floor_n'].max())} real samples."
    )
