"""The curves of several experiments on one axis: for plotly.js, and as a picture for print."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from pipeline.views.compare.comparison import OF, Comparison
from pipeline.views.report.charts import arm_traces, condensed, label_of, measured
from pipeline.views.report.figures import DASHES, band, png
from pipeline.views.report.palette import Look, looks

FEW = len(DASHES)
"""So many experiments can be told apart by their dashes; of more, each has a look, and its arms have dashes."""
Styles = dict[tuple[str, str], tuple[Look, str]]
"""Look and dash of each experiment's arms."""
CONTROL = "real"
"""What presets call the arm that trains on real data alone."""


def styles(rows: pd.DataFrame) -> Styles:
    """An arm has its look in all experiments, and an experiment one dash in all arms; where there are many, the other way."""
    names, arms = list(rows[OF].unique()), list(rows["arm"].unique())
    few, dashes, found = len(names) <= FEW, list(DASHES), Styles()
    look = looks(arms, CONTROL) if few else looks(names)
    for name, arm in rows[[OF, "arm"]].drop_duplicates().itertuples(index=False):
        shown, dash = (arm, names.index(name)) if few else (name, arms.index(arm))
        found[name, arm] = look[shown], dashes[dash % len(dashes)]
    return found


def charts(comparison: Comparison) -> list[dict[str, Any]]:
    """A chart a metric, fid first, as the report's: traces named "EXPERIMENT: ARM", mean over seeds and their range."""
    rows = condensed(comparison.rows)
    chains = rows.assign(arm=rows[OF] + "/" + rows["arm"])  # an arm of one experiment is not that of another
    return [_chart(rows, name) for name in measured(chains)]


def _chart(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    traces, given = list[dict[str, Any]](), styles(rows)
    for place, ((of, arm), of_arm) in enumerate(rows.groupby([OF, "arm"], sort=False)):
        if of_arm[name].notna().any():
            look, dash = given[of, arm]
            for trace in arm_traces(f"curve{place}", of_arm, name, look):  # a name that plotly.js can look for as a CSS class
                drawn = {"line": trace["line"] | {"dash": dash}} if trace["line"]["width"] else {}
                named = {"name": f"{of}: {arm}"} if "name" in trace else {}
                traces.append(trace | drawn | named)
    values = rows[name].dropna()
    positive = bool((values > 0).all())
    return {
        "name": name,
        "label": label_of(name, _extractor(rows)),
        "traces": traces,
        "range": [round(float(np.log10(end)), 4) for end in (values.min() / 1.5, values.max() * 1.3)] if positive else None,
        "may_be_log": positive,
        "log": positive and name in ("fid", "fid_base") and bool(values.max() > 10 * values.min()),
    }


def picture(comparison: Comparison) -> bytes:
    """PNG: FID against generation, all arms of all experiments; means over seeds, and their range."""
    rows, given = comparison.rows, styles(comparison.rows)
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    for (of, arm), of_arm in rows.groupby([OF, "arm"], sort=False):
        look, dash = given[of, arm]
        band(axes, of_arm.groupby("generation")["fid"], f"{of}: {arm}", look).set(linestyle=DASHES[dash])
    fids = rows["fid"]
    if len(fids) and fids.max() > 10 * max(fids.min(), 1e-12):
        axes.set_yscale("log")
    axes.set(xlabel="generation", ylabel=label_of("fid", _extractor(rows)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return png(figure)


def _extractor(rows: pd.DataFrame) -> str:
    return str(rows["extractor"].iloc[0]) if "extractor" in rows and len(rows) else "no extractor"
