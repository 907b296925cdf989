"""One tree of policies as an editor sees it: files on disk, open buffers over them, and what is wrong in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from doorward.bundle import PolicySet, fingerprint, policies_of
from doorward.bundle.data import data_error
from doorward.bundle.policy_set import DATA, MODULES
from doorward.compile import ProgramCode, compile_program
from doorward.decide.request import OPERATIONS
from doorward.engine.documents import check_documents, schemas_in
from doorward_dsl.compile import Compiler
from doorward_dsl.compile_tests import compile_tests, compiler_of_tests
from doorward_dsl.diagnostics import Diagnostic, ParseError, PolicyError
from doorward_dsl.parse import parse_module
from doorward_dsl.products import Revision
from doorward_dsl.program import Program
from doorward_dsl.schemas import JsonSchema
from doorward_dsl.source import Source
from doorward_dsl.syntax import Module

__all__ = ["Buffer", "Checked", "Tree"]

_EMPTY: Final = policies_of(())

_MOST_TRIES: Final = 3
"""Files are left out for being wrong, then those that rest on them, and so on; not for ever."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """A file as an editor has it open."""

    uri: str
    """As the client writes it."""
    text: str
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class _Parsed:
    source: Source
    module: Module | None
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """What one look at the whole tree found."""

    sources: Mapping[str, Source]
    """The modules' texts by file name."""
    modules: Mapping[str, Module]
    """Their syntax trees; of a file that does not parse the last one that did, if there was one."""
    settings: PolicySet
    """Data, and what is declared of it and of requests."""
    schemas: Mapping[str, JsonSchema]
    revision: Revision | None
    """The latest products of the compiler without errors, perhaps of earlier texts or of some of the files."""
    program: Program | None
    """What came out, where nothing is wrong."""
    diagnostics: tuple[Diagnostic, ...] = ()
    complete: bool = False
    """Whether all files parse, so that nothing of the last look but what it found is in `diagnostics`."""
    buffers: Mapping[str, Buffer] = field(default_factory=dict)
    """The open files that were looked at."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.complete and not any(one.severity == "error" for one in self.diagnostics)


class Tree:
    """A directory of policies, or one file that stands in none.

    `open` and `close` are called from one thread. `look`, `check` and `finish` may take long, and are called from
    another one, never two at a time.
    """

    def __init__(self, root: Path, *, alone: bool = False) -> None:
        self.root = root
        self._alone = alone
        self._buffers: Mapping[str, Buffer] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._disk: dict[str, bytes] = {}
        self._parsed: dict[str, _Parsed] = {}
        self._latest = Checked({}, {}, _EMPTY, schemas_in(_EMPTY), None, None)
        self._compiler, self._test_compiler = Compiler(), Compiler()
        self._code: ProgramCode | None = None
        self._settings: tuple[dict[str, bytes], PolicySet, tuple[Diagnostic, ...]] = ({}, _EMPTY, ())

    # --- names -----------------------------------------------------------------------------------------------

    def name_of(self, path: Path) -> str | None:
        """The name of a file in this tree; None for one that is not part of it."""
        if self._alone:
            return path.name if path == self.root else None
        if not path.is_relative_to(self.root) or path.suffix not in MODULES | DATA:
            return None
        inner = path.relative_to(self.root)
        return None if any(part.startswith(".") for part in inner.parts) else inner.as_posix()

    def path_of(self, name: str) -> Path:
        """The path of a file."""
        return self.root if self._alone else self.root / name

    def uri_of(self, name: str) -> str:
        """The URI of a file: the client's own for one that it has open."""
        buffer = self._buffers.get(name)
        return self.path_of(name).as_uri() if buffer is None else buffer.uri

    # --- buffers ---------------------------------------------------------------------------------------------

    @property
    def buffers(self) -> Mapping[str, Buffer]:
        """The open files. Never changed: replaced."""
        return self._buffers

    def open(self, name: str, buffer: Buffer) -> None:
        """Take a file's text from the editor from now on."""
        self._buffers = {**self._buffers, name: buffer}

    def close(self, name: str) -> None:
        """Take a file's text from the disk again."""
        self._buffers = {other: buffer for other, buffer in self._buffers.items() if other != name}

    # --- looking ---------------------------------------------------------------------------------------------

    @property
    def latest(self) -> Checked:
        """What the latest check found."""
        return self._latest

    def look(self) -> None:
        """Take in what has changed on disk. Raises OSError, PolicyError where there are too many files."""
        if self._alone and not self.root.exists():
            self._disk, self._stamps = {}, {}
            return
        stamps = {name: tuple(stamp) for name, *stamp in fingerprint(self.root)}
        disk: dict[str, bytes] = {}
        for name, stamp in stamps.items():
            known = self._disk.get(name)
            try:
                disk[name] = (
                    known
                    if known is not None and self._stamps.get(name) == stamp
                    else self.path_of(name).read_bytes()
                )
            except FileNotFoundError:
                continue  # gone since it was listed
        self._disk, self._stamps = disk, stamps

    def check(self) -> Checked:
        """Compile the tree as it is now."""
        buffers = self._buffers
        problems: list[Diagnostic] = []
        sources = self._sources(buffers, problems)
        settings = self._read_settings(buffers, problems)
        try:
            schemas = schemas_in(settings)
        except PolicyError as error:
            problems += error.diagnostics
            schemas = schemas_in(_EMPTY)
        before = self._latest
        modules: dict[str, Module] = {}
        complete = True
        for name, source in sources.items():
            parsed = self.parsed(source)
            problems += parsed.diagnostics
            module = parsed.module or before.modules.get(name)
            if module is None:
                complete = False
            else:
                modules[name] = module
        program: Program | None = None
        found: Iterable[Diagnostic] = ()
        if self._compiler.schemas != schemas:
            self._compiler, self._test_compiler = Compiler(schemas=schemas), compiler_of_tests(schemas)
        if complete:
            try:
                program = self._compiler.compile(modules.values(), settings.data)
                found = program.warnings
            except PolicyError as error:
                found = error.diagnostics
                if self._compiler.latest is None:
                    self._keep_what_is_right(modules.values(), settings.data, found)
        else:
            found = before.diagnostics  # what other files say of one without a tree would be wrong
        known = {id(source) for source in sources.values()}
        problems += [
            one
            for one in found
            if id(one.span.source) in known and self.parsed(one.span.source).module is not None
        ]
        distinct = tuple(dict.fromkeys(problems))
        self._latest = Checked(
            sources,
            modules,
            settings,
            schemas,
            self._compiler.latest,
            program,
            distinct,
            complete,
            buffers,
        )
        self._parsed = {name: self._parsed[name] for name in sources}
        return self._latest

    def _keep_what_is_right(
        self, modules: Iterable[Module], data: dict[str, Any], found: Iterable[Diagnostic]
    ) -> None:
        """Compile the files in which nothing is wrong, so that the next look has something to go on from."""
        left = list(modules)
        for _ in range(_MOST_TRIES):
            wrong = {one.span.source.name for one in found if one.severity == "error"}
            left = [module for module in left if module.span.source.name not in wrong]
            try:
                self._compiler.compile(left, data)
                return
            except PolicyError as error:
                found = error.diagnostics

    def finish(self, checked: Checked) -> tuple[Diagnostic, ...]:
        """What else is wrong in a tree that was checked without errors: what planning refuses, and in test blocks."""
        program = checked.program
        if program is None or not checked.ok:
            return ()
        try:
            self._code = compile_program(program, checked.settings.data, earlier=self._code).code
            modules = checked.modules.values()
            if any(module.tests or module.givens for module in modules):
                compile_tests(
                    modules,
                    schemas=checked.schemas,
                    operations=OPERATIONS,
                    data=checked.settings.data,
                    compiler=self._test_compiler,
                )
        except PolicyError as error:
            return error.diagnostics
        return ()

    def parsed(self, source: Source) -> _Parsed:
        """The syntax tree of a text, or what is wrong with it."""
        known = self._parsed.get(source.name)
        if known is None or known.source.text != source.text:
            try:
                known = _Parsed(source, parse_module(source))
            except ParseError as error:
                known = _Parsed(source, None, error.diagnostics)
            self._parsed[source.name] = known
        return known

    def _sources(self, buffers: Mapping[str, Buffer], problems: list[Diagnostic]) -> dict[str, Source]:
        """The text of every module; the same object as before where it is the same text."""
        sources: dict[str, Source] = {}
        for name in sorted({*self._disk, *buffers}):
            if PurePosixPath(name).suffix in DATA:
                continue
            if name in buffers:
                text = buffers[name].text
            else:
                try:
                    text = self._disk[name].decode("utf-8-sig")
                except UnicodeDecodeError as error:
                    message = f"the file is not UTF-8: byte {error.start} is not text"
                    problems.append(data_error(Source(name, ""), message))
                    continue
            known = self._parsed.get(name)
            sources[name] = (
                known.source if known is not None and known.source.text == text else Source(name, text)
            )
        return sources

    def _read_settings(self, buffers: Mapping[str, Buffer], problems: list[Diagnostic]) -> PolicySet:
        """Data, its schemas and kinds, read again where a file has changed; those of before while one cannot be read."""
        files = {name: content for name, content in self._disk.items() if PurePosixPath(name).suffix in DATA}
        for name, buffer in buffers.items():
            if PurePosixPath(name).suffix in DATA:
                files[name] = buffer.text.encode("utf-8", "surrogatepass")
        known, settings, wrong = self._settings
        if files != known:
            try:
                settings, wrong = policies_of(sorted(files.items())), ()
                check_documents(settings)
            except PolicyError as error:
                wrong = error.diagnostics
            self._settings = files, settings, wrong
        problems += wrong
        return settings

    # --- tests -----------------------------------------------------------------------------------------------

    def policies(self) -> PolicySet:
        """All policies as they stand in the editor, named by their paths. Raises PolicyError."""
        contents: dict[str, bytes] = dict(self._disk)
        for name, buffer in self._buffers.items():
            contents[name] = buffer.text.encode("utf-8", "surrogatepass")
        policies = policies_of(sorted(contents.items()))
        named = tuple(Source(self.path_of(one.name).as_posix(), one.text) for one in policies.sources)
        return replace(policies, sources=named)
