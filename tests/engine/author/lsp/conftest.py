"""A real client, and the real server as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

TIMEOUT_S = 30


class Editor:
    """What an editor does, and what it has been told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.client = LanguageClient("editor", "1")
        self.diagnostics: dict[str, types.PublishDiagnosticsParams] = {}
        self.messages: list[types.ShowMessageParams] = []
        self._told = asyncio.Condition()
        self._versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.capabilities: types.ServerCapabilities | None = None

        @self.client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def published(params: types.PublishDiagnosticsParams) -> None:
            async with self._told:
                self.diagnostics[params.uri] = params
                self._told.notify_all()

        @self.client.feature(types.WINDOW_SHOW_MESSAGE)
        async def said(params: types.ShowMessageParams) -> None:
            async with self._told:
                self.messages.append(params)
                self._told.notify_all()

        @self.client.feature(types.CLIENT_REGISTER_CAPABILITY)
        def registered(params: types.RegistrationParams) -> None:
            return None

    async def start(
        self, *, snippets: bool = True, options: Any = None, encodings: list[str] | None = None
    ) -> None:
        await self.client.start_io(sys.executable, "-m", "doorward", "lsp")
        await self.initialize(snippets=snippets, options=options, encodings=encodings)

    async def initialize(
        self, *, snippets: bool = True, options: Any = None, encodings: list[str] | None = None
    ) -> None:
        uri = self.root.as_uri()
        kinds = None if encodings is None else [types.PositionEncodingKind(one) for one in encodings]
        result = await self.wait(
            self.client.initialize_async(
                types.InitializeParams(
                    capabilities=types.ClientCapabilities(
                        general=types.GeneralClientCapabilities(position_encodings=kinds),
                        text_document=types.TextDocumentClientCapabilities(
                            completion=types.CompletionClientCapabilities(
                                completion_item=types.ClientCompletionItemOptions(snippet_support=snippets)
                            ),
                            publish_diagnostics=types.PublishDiagnosticsClientCapabilities(
                                related_information=True, version_support=True
                            ),
                            rename=types.RenameClientCapabilities(prepare_support=True),
                        ),
                    ),
                    root_uri=uri,
                    workspace_folders=[types.WorkspaceFolder(uri, "policies")],
                    initialization_options=options,
                )
            )
        )
        self.capabilities = result.capabilities
        self.client.initialized(types.InitializedParams())

    async def stop(self) -> int | None:
        """Shut the server down as the protocol says; its exit code."""
        await self.wait(self.client.shutdown_async(None))
        self.client.exit(None)
        server = self.client._server
        assert server is not None
        code = await self.wait(server.wait())
        await self.wait(self.client.stop())
        return code

    async def wait(self, answer: Awaitable[Any]) -> Any:
        return await asyncio.wait_for(answer, TIMEOUT_S)

    # --- texts -----------------------------------------------------------------------------------------------

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def open(self, name: str, text: str | None = None) -> str:
        """Open a file, with the text that it has on disk or another; its URI."""
        uri = self.uri(name)
        self.texts[name] = (self.root / name).read_text() if text is None else text
        self._versions[uri] = 1
        item = types.TextDocumentItem(uri, "ward", 1, self.texts[name])
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def is_open(self, name: str) -> bool:
        return self.uri(name) in self._versions

    def change(self, name: str, text: str) -> None:
        uri = self.uri(name)
        self._versions[uri] += 1
        self.texts[name] = text
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self._versions[uri], uri),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )

    def replace(self, name: str, old: str, new: str) -> None:
        assert old in self.texts[name]
        self.change(name, self.texts[name].replace(old, new))

    def close(self, name: str) -> None:
        uri = self.uri(name)
        del self._versions[uri]
        self.client.text_document_did_close(
            types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri))
        )

    def at(self, name: str, mark: str, offset: int = 0) -> types.Position:
        """The position of the first `mark` in a text, and `offset` characters on, in UTF-16 code units."""
        text = self.texts[name]
        start = text.index(mark) + offset
        before = text[:start]
        line = before.count("\n")
        column = before[before.rfind("\n") + 1 :]
        return types.Position(line, len(column.encode("utf-16-le")) // 2)

    # --- what it is told -------------------------------------------------------------------------------------

    async def until(self, holds: Callable[[], Any]) -> Any:
        """Wait for what it is told to have some form; what `holds` gave."""

        async def waited() -> Any:
            async with self._told:
                await self._told.wait_for(holds)
                return holds()

        return await self.wait(waited())

    async def told(self, name: str) -> list[types.Diagnostic]:
        """The diagnostics of the text as it is."""
        uri = self.uri(name)
        version = self._versions.get(uri)

        def current() -> bool:
            known = self.diagnostics.get(uri)
            return known is not None and known.version == version

        await self.until(current)
        return list(self.diagnostics[uri].diagnostics)

    async def clean(self, name: str) -> None:
        """Wait until nothing is wrong with a file."""
        uri = self.uri(name)
        version = self._versions.get(uri)
        await self.until(
            lambda: (
                (known := self.diagnostics.get(uri)) and known.version == version and not known.diagnostics
            )
        )

    async def wrong(self, name: str) -> list[types.Diagnostic]:
        """Wait until something is wrong with a file as it is."""
        uri = self.uri(name)
        version = self._versions.get(uri)
        await self.until(
            lambda: (known := self.diagnostics.get(uri)) and known.version == version and known.diagnostics
        )
        return list(self.diagnostics[uri].diagnostics)


@pytest.fixture
async def editor(tmp_path: Path) -> AsyncIterator[Editor]:
    """An editor of an empty folder; the server is started by the test and stopped after it."""
    editor = Editor(tmp_path)
    yield editor
    server = editor.client._server
    if server is not None and server.returncode is None:
        assert await editor.stop() == 0
