"""Coverage as one HTML page: the source, coloured. It needs no other file and no network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files

from doorward.author.coverage.coverage import Coverage, FileCoverage, Region

__all__ = ["html"]

_CLASSES = {"missed": "not reached", "never": "reached, never held", "reached": "reached"}


def html(coverage: Coverage, title: str = "Policy coverage") -> str:
    """The page. What was not reached is also underlined and marked beside the line: colour alone tells nothing."""
    room = files("doorward.author.coverage")
    style = room.joinpath("page.css").read_text("utf-8")
    script = room.joinpath("page.js").read_text("utf-8")
    rows = "\n".join(_row(number, file) for number, file in enumerate(coverage.files))
    sections = "\n".join(_section(number, file) for number, file in enumerate(coverage.files))
    legend = "".join(f'<li><span class="{name}">{text}</span></li>' for name, text in _CLASSES.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}: {_percent(coverage.percent)}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#files">Skip to the files</a>
<header>
<h1>{escape(title)}</h1>
<p class="total"><strong>{_percent(coverage.percent)}</strong>
<span>{coverage.covered} of {coverage.total} expressions reached, in {_files(len(coverage.files))}</span></p>
{_meter(coverage.percent)}
<ul class="legend" aria-label="Legend">{legend}</ul>
</header>
<main>
<table>
<caption>Files</caption>
<thead><tr><th scope="col">File</th><th scope="col" class="number">Reached</th><th scope="col" class="number">Share</th>
<th scope="col"><span class="hidden">Bar</span></th><th scope="col">Missing lines</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p class="tools"><button type="button" id="next" aria-keyshortcuts="n">Next missing <kbd>n</kbd></button>
<button type="button" id="previous" aria-keyshortcuts="p">Previous <kbd>p</kbd></button></p>
<div id="files">
{sections}
</div>
</main>
<script>
{script}</script>
</body>
</html>
"""


def _row(number: int, file: FileCoverage) -> str:
    missing = escape(file.missing_lines()) or '<span class="none">none</span>'
    return (
        f'<tr><th scope="row"><a href="#file-{number}">{escape(file.source.name)}</a></th>'
        f'<td class="number">{file.covered}/{file.total}</td><td class="number">{_percent(file.percent)}</td>'
        f"<td>{_meter(file.percent)}</td><td>{missing}</td></tr>"
    )


def _section(number: int, file: FileCoverage) -> str:
    name = escape(file.source.name)
    opened = " open" if file.covered < file.total else ""
    hits = file.lines()
    lines = []
    for line, code in enumerate(_coloured(file), 1):
        count = hits.get(line)
        mark, said = ("", "") if count is None else ("!", "not reached") if count == 0 else ("", f"{count}×")
        state = "" if count is None else " line-missed" if count == 0 else " line-reached"
        lines.append(
            f'<tr class="line{state}" id="file-{number}-{line}"><td class="gutter" aria-hidden="true">{mark}</td>'
            f'<td class="no">{line}</td><td class="hits">{said}</td><td class="code">{code or " "}</td></tr>'
        )
    body = "\n".join(lines)
    return (
        f'<details id="file-{number}"{opened}><summary><h2>{name}</h2>'
        f'<span class="number">{_percent(file.percent)}</span></summary>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f'<table class="source"><tbody>\n{body}\n</tbody></table></div></details>'
    )


def _coloured(file: FileCoverage) -> Iterator[str]:
    """The lines of a file, with the innermost region at each character as a span."""
    text = file.source.text
    owner: list[Region | None] = [None] * len(text)
    for region in file.regions:  # the outer before the inner
        owner[region.start : region.end] = [region] * (region.end - region.start)
    at = 0
    for line in text.split("\n"):
        yield "".join(_pieces(line, owner[at : at + len(line)]))
        at += len(line) + 1


def _pieces(line: str, owner: list[Region | None]) -> Iterator[str]:
    start = 0
    while start < len(line):
        region = owner[start]
        end = start
        while end < len(line) and owner[end] is region:
            end += 1
        piece = line[start:end]
        blank = len(piece) - len(piece.lstrip())
        if region is None or blank == len(piece):
            yield escape(piece)
        else:
            state, said = _state(region)
            yield escape(piece[:blank])
            yield f'<span class="{state}" title="{said}">{escape(piece[blank:])}</span>'
        start = end


def _state(region: Region) -> tuple[str, str]:
    if not region.covered:
        return "missed", "never held" if region.head else "not reached"
    if not region.held:
        return "never", f"reached {region.reached}×, never held"
    return (
        "reached",
        f"held {region.held}×" if region.head else f"reached {region.reached}×, held {region.held}×",
    )


def _meter(percent: float) -> str:
    width = f"{percent:.1f}"
    return f'<span class="meter" role="img" aria-label="{_percent(percent)}"><span style="width:{width}%"></span></span>'


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _percent(value: float) -> str:
    """Rounded down, so that only all of it is 100 %."""
    return f"{int(value * 10) / 10:.1f} %"
