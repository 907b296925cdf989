"""The command: which questions to ask, how many rounds, and where to write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from bench import decisions, load, path, served
from bench.measure import run
from bench.report import Result, markdown, write

HERE = Path(__file__).parent
GROUPS = {
    "decisions": decisions.questions,
    "load": load.questions,
    "served": served.questions,
    "path": path.questions,
}


def main(
    only: Annotated[
        list[str] | None, typer.Argument(help=f"Groups: {', '.join(GROUPS)}. All if none is named.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds that count, for each contestant.")] = 5,
    out: Annotated[Path, typer.Option(help="Where results.json and results.md go.")] = HERE / "results",
) -> None:
    """Measure Doorward beside its peers, in one run on this machine."""
    if unknown := set(only or ()) - set(GROUPS):
        raise typer.BadParameter(f"no such group: {', '.join(sorted(unknown))}")
    results: list[Result] = []
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        for name, questions in GROUPS.items():
            if only and name not in only:
                continue
            with questions() as asked:
                task = progress.add_task(name, total=len(asked))
                for question in asked:
                    progress.update(task, description=question.name)
                    results.append((question, run(question, rounds)))
                    progress.advance(task)
    write(results, out)
    print(markdown(results))


if __name__ == "__main__":
    typer.run(main)
