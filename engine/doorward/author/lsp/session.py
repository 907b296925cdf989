"""A session of an editor: its trees, when they are looked at, and what it has been told of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from lsprotocol.types import Diagnostic as LspDiagnostic
from lsprotocol.types import MessageType

from doorward.author.lsp.lenses import Failure, Outcome, run
from doorward.author.lsp.positions import UTF16
from doorward.author.lsp.publish import to_diagnostic
from doorward.author.lsp.tree import Buffer, Checked, Tree
from doorward.author.lsp.view import File, Viewer
from doorward.author.lsp.worker import Worker
from doorward_dsl.diagnostics import Diagnostic, DoorwardError

__all__ = ["Client", "Open", "Session", "Watched", "roots_in"]

_DEBOUNCE_S: Final = 0.03
"""How long the keys must rest before the tree is looked at."""

_LONGEST_PAUSE_S: Final = 1.0

_PATIENCE_S: Final = 10.0
"""How long a question waits for the first look at a tree."""

_MARKER: Final = ".manifest"
_USUAL: Final = ("policies", "policy")

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class Client(Protocol):
    """What a session tells its editor."""

    def publish(self, uri: str, version: int | None, diagnostics: list[LspDiagnostic]) -> None:
        """All diagnostics of a file."""

    def say(self, message: str, kind: MessageType) -> None:
        """One sentence for the user."""


@dataclass(eq=False)
class Watched:
    """A tree, and the looking at it."""

    tree: Tree
    viewer: Viewer
    alone: bool
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether there was a first look."""
    task: asyncio.Task[None] | None = None
    due: bool = False
    """Something has changed since the last look began."""
    disk: bool = True
    """It may be something on disk."""
    pause_s: float = 0.0
    """How long the second, slower look took last: so long the keys must rest before the next."""
    later: tuple[Diagnostic, ...] = ()
    """What it found last."""
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    """How tests failed when they last ran, by their ids."""
    told: dict[str, tuple[int | None, list[LspDiagnostic]]] = field(default_factory=dict)
    """The latest diagnostics of each file, by URI."""
    complaint: str = ""
    """What kept the tree from being read, as it was told."""


@dataclass(frozen=True, slots=True)
class Open:
    """A file that a question is about, at one moment."""

    watched: Watched
    file: File


def roots_in(folder: Path, named: Iterable[str]) -> list[Path]:
    """The trees of policies in a workspace folder.

    Those that the user has `named`; else the folder itself, where it is marked by a `.manifest`; else its folder `policies`
    or `policy`; else the folder itself.
    """
    chosen = [folder / name for name in named]
    if chosen:
        return [Path(*path.parts) for path in chosen if path.is_dir()]
    if (folder / _MARKER).is_file():
        return [folder]
    usual = [folder / name for name in _USUAL if (folder / name).is_dir()]
    return usual or [folder]


class Session:
    """All trees of one editor. Everything here runs on the event loop; work that takes long is handed to threads."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._watched: dict[Path, Watched] = {}
        self._named: tuple[str, ...] = ()
        self._folders: tuple[Path, ...] = ()
        self._checks = Worker("check")
        self._answers = Worker("answers")
        self._tests = Worker("tests")
        self.encoding = UTF16
        """The code units in which the client counts columns."""
        self.related = False
        """Whether the client shows related information."""

    # --- trees -----------------------------------------------------------------------------------------------

    def watch(self, folders: Iterable[Path], named: Iterable[str] | None = None) -> None:
        """Take the trees in some workspace folders for this session's; those of before are let go."""
        self._folders = tuple(folders)
        if named is not None:
            self._named = tuple(named)
        roots = {root: None for folder in self._folders for root in roots_in(folder, self._named)}
        open_files: dict[Path, Buffer] = {}
        for root, watched in list(self._watched.items()):
            if root not in roots or watched.alone:
                for name, buffer in watched.tree.buffers.items():
                    open_files[watched.tree.path_of(name)] = buffer
                self._forget(root)
        for root in roots:
            if root not in self._watched:
                self._add(root, alone=False)
        for path, buffer in open_files.items():
            self.open(path, buffer)
        for watched in self._watched.values():
            self.schedule(watched, disk=True)

    def find(self, path: Path) -> tuple[Watched, str] | None:
        """The tree that a file belongs to, the innermost, and its name there."""
        found = [
            (watched, name)
            for watched in self._watched.values()
            if (name := watched.tree.name_of(path)) is not None
        ]
        return max(found, key=lambda one: (not one[0].alone, len(one[0].tree.root.parts)), default=None)

    def open(self, path: Path, buffer: Buffer) -> None:
        """Take a text from the editor. A file in none of the trees is a tree by itself."""
        found = self.find(path)
        if found is None:
            watched = self._add(path, alone=True)
            found = watched, path.name
        watched, name = found
        fresh = name not in watched.tree.buffers
        watched.tree.open(name, buffer)
        self.schedule(watched, disk=fresh)

    def close(self, path: Path) -> None:
        """Take a text from the disk again."""
        found = self.find(path)
        if found is None:
            return
        watched, name = found
        watched.tree.close(name)
        if watched.alone:
            self._forget(watched.tree.root)
        else:
            self.schedule(watched, disk=True)

    def changed_on_disk(self) -> None:
        """Look at all trees again."""
        for watched in self._watched.values():
            self.schedule(watched, disk=True)

    def _add(self, root: Path, *, alone: bool) -> Watched:
        tree = Tree(root, alone=alone)
        watched = self._watched[root] = Watched(tree, Viewer(tree), alone)
        return watched

    def _forget(self, root: Path) -> None:
        watched = self._watched.pop(root)
        if watched.task is not None:
            watched.task.cancel()
        for uri in watched.told:
            self._client.publish(uri, None, [])

    # --- looking ---------------------------------------------------------------------------------------------

    def schedule(self, watched: Watched, *, disk: bool = False) -> None:
        """Have a tree looked at soon."""
        watched.due = True
        watched.disk |= disk
        if watched.task is None or watched.task.done():
            watched.task = asyncio.get_running_loop().create_task(self._look(watched))

    async def _look(self, watched: Watched) -> None:
        while watched.due:
            while watched.due:
                watched.due = False
                await asyncio.sleep(_DEBOUNCE_S)
            disk, watched.disk = watched.disk, False
            try:
                checked = await self._checks.run(_look_at, watched.tree, disk)
                self._tell(watched, checked)
                watched.complaint = ""
                await asyncio.sleep(min(watched.pause_s, _LONGEST_PAUSE_S))
                if not watched.due:
                    began = time.perf_counter()
                    watched.later = await self._checks.run(watched.tree.finish, checked)
                    watched.pause_s = time.perf_counter() - began
                    self._tell(watched, checked)
            except (DoorwardError, OSError) as error:
                self._complain(watched, f"the policies in `{watched.tree.root}` cannot be read: {error}")
            except Exception:  # whatever a text brings about, the next one is looked at as well
                _log.exception("a look at %s failed", watched.tree.root)
                self._complain(watched, f"looking at `{watched.tree.root}` failed; `--verbose` says why")
            finally:
                watched.looked.set()

    def _complain(self, watched: Watched, message: str) -> None:
        if watched.complaint != message:
            watched.complaint = message
            self._client.say(message, MessageType.Error)

    def _tell(self, watched: Watched, checked: Checked) -> None:
        """Publish what has changed since it was last published."""
        tree = watched.tree
        found: dict[str, list[LspDiagnostic]] = {tree.uri_of(name): [] for name in checked.buffers}
        current = {id(source) for source in checked.sources.values()}
        later = [one for one in watched.later if id(one.span.source) in current]
        for one in dict.fromkeys((*checked.diagnostics, *later)):
            uri = tree.uri_of(one.span.source.name)
            shown = to_diagnostic(one, tree, self.encoding, related=self.related)
            found.setdefault(uri, []).append(shown)
        for failures in watched.failures.values():
            for failure in failures:
                source = checked.sources.get(failure.file)
                if source is not None and source.text == failure.text:
                    found.setdefault(tree.uri_of(failure.file), []).append(failure.diagnostic)
        versions = {tree.uri_of(name): buffer.version for name, buffer in checked.buffers.items()}
        for uri in {**watched.told, **found}:
            news = (versions.get(uri), found.get(uri, []))
            if watched.told.get(uri, (None, [])) != news:
                self._client.publish(uri, *news)
        watched.told = {
            uri: (versions.get(uri), said) for uri, said in found.items() if said or uri in versions
        }

    # --- tests -----------------------------------------------------------------------------------------------

    async def run_tests(self, path: Path, ids: Iterable[str]) -> Outcome | None:
        """Run tests of a file's tree by their ids, and tell how they came out; None for a file of no tree."""
        found = self.find(path)
        if found is None:
            return None
        watched, _ = found
        await self._first_look(watched)
        wanted = tuple(ids)
        outcome = await self._tests.run(run, watched.tree, wanted, self.encoding)
        for known in list(watched.failures):
            if known.partition("#")[0] in wanted or known in wanted:
                del watched.failures[known]
        for failure in outcome.failures:
            watched.failures.setdefault(failure.test, []).append(failure)
        self._tell(watched, watched.tree.latest)
        self._client.say(outcome.message, outcome.kind)
        return outcome

    # --- questions -------------------------------------------------------------------------------------------

    async def ask(self, path: Path, question: Callable[[Open], Answer], default: Answer) -> Answer:
        """The answer to a question about a file, worked out beside the event loop; `default` where there is no such file."""
        found = self.find(path)
        if found is None:
            return default
        watched, name = found
        await self._first_look(watched)

        def answered() -> Answer:
            file = watched.viewer.view().file(name)
            return default if file is None else question(Open(watched, file))

        return await self._answers.run(answered)

    async def ask_all(self, question: Callable[[Watched], list[Answer]]) -> list[Answer]:
        """The answers of all trees to a question."""
        found: list[Answer] = []
        for watched in list(self._watched.values()):
            await self._first_look(watched)
            found += await self._answers.run(question, watched)
        return found

    async def _first_look(self, watched: Watched) -> None:
        try:
            await asyncio.wait_for(watched.looked.wait(), _PATIENCE_S)
        except TimeoutError:
            _log.info("no first look at %s yet", watched.tree.root)


def _look_at(tree: Tree, disk: bool) -> Checked:
    if disk:
        tree.look()
    return tree.check()
