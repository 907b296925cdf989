"""Pictures of one run: what a policy costs, how cost grows with rules, and how loading grows with files."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Figure, Spread
from bench.report import Report, amount

__all__ = ["draw"]

_COLORS = {
    "doorward": "#0b6e4f",
    "Python": "#8a8a8a",
    "OPA": "#3b6fb6",
    "regorus": "#c8553d",
    "rego-cpp": "#8f6bb3",
    "Cedar": "#d69f1f",
    "Cerbos": "#b0468c",
    "pycasbin": "#7a5c3e",
}
_MARKERS = {
    "doorward": "o",
    "Python": "|",
    "OPA": "s",
    "regorus": "D",
    "rego-cpp": "^",
    "Cedar": "v",
    "Cerbos": "X",
    "pycasbin": "P",
}
_STROKES = {"stream, client in Go": "--", "unary": "-.", "Envoy's Check": ":"}
_LABELS = {"regorus, virtual machine": "regorus VM", "regorus, compiled policy": "regorus compiled"}
_INK, _PALE = "#333333", "#dddddd"


def draw(report: Report, directory: Path, kind: str = "png") -> list[Path]:
    """Writes the pictures that the report has figures for, and gives their paths; none without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        return []
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    style: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _PALE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "xtick.color": _INK,
        "ytick.color": _INK,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "grid.color": "#eeeeee",
        "legend.frameon": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "doorward",
    }
    made = []
    drawings: dict[str, Callable[[Any, Report], Any]] = {
        "policies": _policies,
        "growth": _growth,
        "load": _load,
        "memory": _memory,
        "served": _served,
    }
    directory.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(style):
        for name, drawing in drawings.items():
            figure = drawing(plt, report)
            if figure is None:
                continue
            path = directory / f"bench-{name}.{kind}"
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(path, dpi=160, bbox_inches="tight", metadata=metadata, facecolor="white")
            plt.close(figure)
            made.append(path)
    return made


def _policies(plt: Any, report: Report) -> Any:
    rows = [row for row in report.rows if row.name.startswith("policy ") and row.reference is not None]
    if not rows:
        return None
    rows.sort(key=lambda row: -_median(row.reference))
    figure, axes = plt.subplots(figsize=(8.4, 0.46 * len(rows) + 1.5))
    shown: dict[str, Any] = {}
    for height, row in enumerate(rows):
        axes.axhline(height, color="#eeeeee", linewidth=1, zorder=0)
        for who, found in _best_of_each(row.figures):
            drawn = axes.errorbar(
                found.median,
                height,
                xerr=[[found.median - found.least], [found.most - found.median]],
                fmt=_MARKERS[who],
                color=_COLORS[who],
                markersize=9 if who in {"doorward", "Python"} else 6.5,
                markeredgewidth=2 if who == "Python" else 0,
                elinewidth=1.2,
                zorder=3 if who == "doorward" else 2,
            )
            shown.setdefault(who, drawn)
        ours = row.reference.spread if row.reference else None
        if ours is not None:
            axes.annotate(
                f"{amount(ours.median)} µs",
                (ours.median, height),
                xytext=(0, 7),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=_COLORS["doorward"],
            )
    axes.set_xscale("log")
    axes.set_yticks(
        range(len(rows)), [row.name.removeprefix("policy ").strip("`").replace("_", " ") for row in rows]
    )
    axes.set_ylim(-0.6, len(rows) - 0.2)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", which="major")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(
        "µs of processor time for one decision, request parsed beforehand (log scale; bars: all rounds)"
    )
    axes.set_title("What a policy costs", pad=30)
    names = [who for who in _COLORS if who in shown]
    axes.legend(
        [shown[who] for who in names],
        ["Python by hand" if who == "Python" else who for who in names],
        ncols=len(names),
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        handletextpad=0.2,
        columnspacing=1.2,
        fontsize=9,
    )
    return figure


def _growth(plt: Any, report: Report) -> Any:
    rows = [row for row in report.rows if row.name.startswith("rules on ") and row.reference is not None]
    if not rows:
        return None
    figure, panels = plt.subplots(1, len(rows), figsize=(4.6 * len(rows), 4), sharey=True, squeeze=False)
    for row, axes in zip(rows, panels[0], strict=True):
        largest = max(found.size for found in row.figures)
        for series, line in _series(row.figures):
            who = _who(series) or series
            grown = line[-1][1].median / line[0][1].median
            label = (
                f"{_LABELS.get(series, who)}  {grown:,.0f} ×"
                if grown >= 20
                else f"{_LABELS.get(series, who)}  {grown:.1f} ×"
            )
            axes.plot(
                [size for size, _ in line],
                [spread.median for _, spread in line],
                marker=_MARKERS[who],
                markersize=6,
                color=_COLORS[who],
                linestyle="--" if series.endswith("compiled policy") else "-",
                linewidth=2.6 if who == "doorward" else 1.5,
                zorder=3 if who == "doorward" else 2,
            )
            axes.annotate(
                label if line[-1][0] == largest else f"{label}, then refused",
                (line[-1][0], line[-1][1].median),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                color=_COLORS[who],
                fontweight="bold" if who == "doorward" else "normal",
            )
        axes.set(xscale="log", yscale="log")
        axes.set_xlim(right=axes.get_xlim()[1] * 1.2)
        axes.grid(axis="y", which="major")
        axes.set_xlabel("rules")
        axes.set_title(row.name.partition(",")[0], fontsize=10, fontweight="normal")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    panels[0][0].set_ylabel("µs for one decision (log scale)")
    figure.suptitle("Ten rules, ten thousand rules", x=0.02, ha="left", fontweight="bold", fontsize=12)
    figure.subplots_adjust(wspace=0.62, top=0.86)
    return figure


def _load(plt: Any, report: Report) -> Any:
    lines: dict[str, list[tuple[int, Spread]]] = {}
    for row in report.rows:
        if row.group != "load":
            continue
        for found in row.figures:
            match = re.fullmatch(r"doorward, ([\d,]+) files, [\d,]+ lines", found.contestant)
            if match and found.spread:
                lines.setdefault(row.name, []).append((int(match[1].replace(",", "")), found.spread))
    if not lines:
        return None
    figure, axes = plt.subplots(figsize=(6.4, 3.8))
    for (name, line), color in zip(lines.items(), ("#0b6e4f", "#c8553d"), strict=False):
        sizes, seconds = [size for size, _ in line], [spread.median / 1000 for _, spread in line]
        axes.plot(
            [0, *sizes], [0, *(seconds[-1] / sizes[-1] * size for size in sizes)], color=_PALE, zorder=1
        )
        axes.plot(
            sizes, seconds, marker="o", color=color, linewidth=2, label=name.removeprefix("load "), zorder=2
        )
    axes.set(xlabel="files", ylabel="seconds from files to the first answer", xlim=(0, None), ylim=(0, None))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y")
    axes.legend(loc="upper left")
    axes.set_title("Loading (grey: a straight line)")
    return figure


def _served(plt: Any, report: Report) -> Any:
    rates = [row for row in report.rows if row.name.startswith("decisions served, ")]
    times = [row for row in report.rows if row.name.startswith("time served, ")]
    if not rates:
        return None
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 4.2))
    for series, line in _series([found for row in rates for found in row.figures]):
        _line(panels[0], series, [size for size, _ in line], [spread.median for _, spread in line])
    at = [row.name.rpartition(" ")[2] for row in times]
    for series in dict.fromkeys(found.series for row in times for found in row.figures if found.rounds):
        found = [next((each for each in row.figures if each.series == series), None) for row in times]
        _line(panels[1], series, at, [_median(each) / 1000 or math.nan for each in found])
    panels[0].set(xscale="log", yscale="log", xlabel="callers", ylabel="decisions a second (log scale)")
    panels[0].set_xticks(*[sorted({each.size for row in rates for each in row.figures if each.size})] * 2)
    panels[1].set(
        yscale="log", xlabel="share of the answers", ylabel="ms at half of one's own best rate (log scale)"
    )
    for axes in panels:
        axes.grid(axis="y", which="major")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    figure.legend(
        *panels[0].get_legend_handles_labels(), ncols=3, loc="lower left", bbox_to_anchor=(0.06, 0.93)
    )
    figure.suptitle("Decisions served", x=0.06, y=1.1, ha="left", fontweight="bold", fontsize=12)
    figure.subplots_adjust(wspace=0.25)
    return figure


def _line(axes: Any, series: str, at: Sequence[Any], values: Sequence[float]) -> None:
    who = _who(series) or series
    axes.plot(
        at,
        values,
        label=series,
        color=_COLORS[who],
        marker=_MARKERS[who],
        linestyle=_STROKES.get(series.partition(", ")[2], "-"),
        linewidth=2.6 if series.endswith("its client") else 1.5,
    )


def _memory(plt: Any, report: Report) -> Any:
    rows = [row for row in report.rows if row.group == "memory" and row.reference is not None]
    if not rows:
        return None
    figure, panels = plt.subplots(1, len(rows), figsize=(4.4 * len(rows), 2.1), squeeze=False)
    for row, axes in zip(rows, panels[0], strict=True):
        measured = [(found.contestant, found.spread.median) for found in row.figures if found.spread][::-1]
        names = [name for name, _ in measured]
        bars = axes.barh(
            names, [value for _, value in measured], color=[_COLORS[name] for name in names], height=0.6
        )
        axes.bar_label(bars, [f"{amount(value)} MB" for _, value in measured], padding=4, fontsize=9)
        axes.set_xlim(0, max(value for _, value in measured) * 1.3)
        axes.set_title(row.name.removeprefix("memory, "), fontsize=10)
        axes.tick_params(axis="both", length=0)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    figure.subplots_adjust(wspace=0.4)
    return figure


def _who(name: str) -> str | None:
    return next((who for who in _COLORS if name.startswith(who)), None)


def _median(found: Figure | None) -> float:
    return found.spread.median if found is not None and found.spread is not None else 0.0


def _best_of_each(figures: Iterable[Figure]) -> list[tuple[str, Spread]]:
    """One figure for each engine: where it has several ways, its fastest."""
    best: dict[str, Spread] = {}
    for found in figures:
        who = _who(found.contestant)
        if who is not None and found.spread is not None and (who not in best or found.spread < best[who]):
            best[who] = found.spread
    return list(best.items())


def _series(figures: Iterable[Figure]) -> list[tuple[str, list[tuple[int, Spread]]]]:
    """The lines of all series, by size."""
    lines: dict[str, list[tuple[int, Spread]]] = {}
    for found in figures:
        if found.spread is not None and found.size:
            lines.setdefault(found.series, []).append((found.size, found.spread))
    return [(series, sorted(line)) for series, line in lines.items()]
