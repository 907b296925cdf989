"""The command line of the demo."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from doorward_gateway.demo.stage import Stage
    from doorward_gateway.demo.world import World

__all__ = ["demo", "register"]


def register(app: typer.Typer) -> None:
    """Adds `doorward demo`."""
    app.command()(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running, and say how to connect.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Write a picture of the acts that mask, block and approve.")
    ] = None,
) -> None:
    """Run the whole product on an embedded PostgreSQL, and check that everything comes out as stated.

    Exit status: 0 if it did, 1 if something did not, 3 if a part broke or could not be started.
    """
    from rich.console import Console

    from doorward_gateway.demo.stage import Stage

    try:
        import psycopg  # noqa: F401 (told here, before anything has started)

        from doorward_gateway.demo.story import run
        from doorward_gateway.demo.world import World
    except ImportError as error:
        Console(stderr=True).print(
            f"the demo needs the extra `demo`: pip install 'doorward\\[demo]' ({error})"
        )
        raise typer.Exit(3) from None

    # Told to stop in whatever way, it takes down what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stage = Stage(picture=svg)
    stage.title(
        "Doorward: policy as code for the data path",
        "PostgreSQL, engine and gateway run as processes of their own; psql and psycopg are the clients.",
    )
    started = time.monotonic()
    try:
        with stage.working("starting PostgreSQL, the engine and the gateway"):
            world = World.start()
        with world:
            run(world, stage)
            stage.end(time.monotonic() - started)
            if keep and not stage.failures:
                _keep_running(world, stage)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (OSError, RuntimeError, TimeoutError) as error:
        Console(stderr=True).print(f"the demo broke off: {error}", markup=False)
        raise typer.Exit(3) from None
    raise typer.Exit(1 if stage.failures else 0)


def _keep_running(world: World, stage: Stage) -> None:
    """Prints how to play with what runs, and waits for an interrupt."""
    from doorward_gateway.demo.world import IDENTITIES, RESOURCE

    psql = world.postgres.binaries / "psql"
    console = stage.console
    console.rule("[bold]running until Ctrl-C", align="left", style="dim")
    lines = [
        "",
        f"policies, watched: {world.policies}",
        f"record:            {world.record}",
        f"logs:              {world.root / 'engine.log'}  {world.root / 'gateway.log'}",
        "",
        "An analyst, for fifteen minutes:",
        f"  PGPASSWORD={world.issue('ana', 'play')['secret']} {psql} '{world.conninfo('ana', tls=False)}'",
        "",
        "A credential for anyone else (an agent's opens one session):",
    ]
    lines += [
        f"  DOORWARD_TOKEN={world.tokens[name]} doorward credential issue --gateway {world.control_url} "
        f"--resource {RESOURCE} --purpose play{_step(identity)}   # {name}"
        for name, identity in IDENTITIES.items()
    ]
    lines += ["", f"  doorward replay --help; doorward verify {world.record}", ""]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    console.print("stopping ...")


def _step(identity: Mapping[str, Any]) -> str:
    """What an agent has to say besides: to which step of which run its credential belongs."""
    return " --run play --branch a --step 1" if identity["kind"] == "agent" else ""
