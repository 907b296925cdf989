"""The language server: the protocol's messages, each handed to the room that answers it."""

from __future__ import annotations

import logging
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from doorward.author.lsp.actions import code_actions
from doorward.author.lsp.completion import complete
from doorward.author.lsp.hover import hover, signature_help
from doorward.author.lsp.lenses import RUN_TESTS, code_lenses
from doorward.author.lsp.navigate import definitions, highlights, references
from doorward.author.lsp.positions import Positions
from doorward.author.lsp.rename import RenameError, prepare, rename
from doorward.author.lsp.session import Open, Session
from doorward.author.lsp.symbols import document_symbols, folding_ranges, workspace_symbols
from doorward.author.lsp.tree import Buffer
from doorward_dsl.diagnostics import ParseError
from doorward_dsl.format import FormatError, format_source

__all__ = ["Server", "serve_stdio", "serve_tcp"]

_LOOPBACK: Final = "127.0.0.1"
_WATCHED: Final = "**/*.{ward,rego,json,yaml,yml}"

_log = logging.getLogger(__name__)


class Server(LanguageServer):
    """A pygls server with a session of its own. `exit_code` is right once it has ended."""

    def __init__(self) -> None:
        super().__init__(
            "doorward",
            version("doorward"),
            # Whole texts: pygls counts lines as Python does, with more line ends than the protocol has.
            text_document_sync_kind=types.TextDocumentSyncKind.Full,
        )
        self.session = Session(self)
        self.options: object = None
        """What the client says of how it wants to be served."""
        self.exit_code = 1
        """0 once the client has asked for the shutdown, as the protocol says."""
        _register(self)

    def publish(self, uri: str, version: int | None, diagnostics: list[types.Diagnostic]) -> None:
        """All diagnostics of a file."""
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, version))

    def say(self, message: str, kind: types.MessageType) -> None:
        """One sentence for the user."""
        self.window_show_message(types.ShowMessageParams(kind, message))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """What went wrong outside of any answer goes to the log: users cannot do anything about it."""
        _log.error("%s", error)

    def positions(self, asked: Open) -> Positions:
        """The positions of a file's text, as this client counts."""
        return Positions(asked.file.source.text, self.session.encoding)


class _Refused(JsonRpcException):
    """A request that was understood, and cannot be carried out: `RequestFailed` of the protocol."""

    CODE = -32803


def serve_stdio() -> int:
    """Serve one client over standard input and output; the exit code."""
    server = Server()
    server.start_io()
    return server.exit_code


def serve_tcp(port: int) -> int:
    """Serve one client over TCP on this machine alone; the exit code."""
    server = Server()
    with suppress(SystemExit):  # how pygls ends when the client says so
        server.start_tcp(_LOOPBACK, port)
    return server.exit_code


def _path(uri: str) -> Path:
    """The path of a file; of what is no file, a name that nothing else has."""
    path = to_fs_path(uri)
    return Path("/", *Path(uri).parts) if path is None else Path(path)


def _register(server: Server) -> None:
    _register_life(server)
    _register_texts(server)
    _register_questions(server)
    _register_changes(server)


def _register_life(server: Server) -> None:
    """Start, folders, end."""

    @server.feature(types.INITIALIZE)
    def initialize(ls: Server, params: types.InitializeParams) -> None:
        ls.session.encoding = str(ls.workspace.position_encoding or ls.session.encoding)
        ls.options = params.initialization_options
        shown = params.capabilities.text_document and params.capabilities.text_document.publish_diagnostics
        ls.session.related = bool(shown and shown.related_information)

    @server.feature(types.INITIALIZED)
    async def initialized(ls: Server, params: types.InitializedParams) -> None:
        ls.session.watch(_folders(ls), _named(ls))
        await _watch_files(ls)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders(ls: Server, params: types.DidChangeWorkspaceFoldersParams) -> None:
        ls.session.watch(_folders(ls))

    @server.feature(types.SHUTDOWN)
    def shutdown(ls: Server, params: None) -> None:
        ls.exit_code = 0


def _folders(ls: Server) -> list[Path]:
    """The workspace folders; of a client that knows none, the root."""
    uris = [folder.uri for folder in ls.workspace.folders.values()]
    if not uris and ls.workspace.root_uri is not None:
        uris = [ls.workspace.root_uri]
    return [_path(uri) for uri in uris]


def _named(ls: Server) -> list[str]:
    """The option `roots`: folders of policies, relative to each workspace folder."""
    options = ls.options
    roots = options.get("roots", []) if isinstance(options, dict) else []
    return [root for root in roots if isinstance(root, str)] if isinstance(roots, list) else []


async def _watch_files(ls: Server) -> None:
    """Ask to be told of files that change on disk, of a client that can be asked."""
    workspace = ls.client_capabilities.workspace
    watching = None if workspace is None else workspace.did_change_watched_files
    if watching is None or not watching.dynamic_registration:
        return
    method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
    options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(_WATCHED)])
    await ls.client_register_capability_async(
        types.RegistrationParams([types.Registration("watched", method, options)])
    )


def _register_texts(server: Server) -> None:
    """What stands in the editor, and what changes on disk."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        ls.session.open(_path(document.uri), Buffer(document.uri, document.text, document.version))

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
        document = params.text_document
        text = ls.workspace.get_text_document(document.uri).source
        ls.session.open(_path(document.uri), Buffer(document.uri, text, document.version))

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
        ls.session.close(_path(params.text_document.uri))

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
        ls.session.changed_on_disk()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def watched(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
        ls.session.changed_on_disk()


def _register_questions(server: Server) -> None:
    """What asks, and changes nothing."""

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=["."]),
    )
    async def completion(ls: Server, params: types.CompletionParams) -> types.CompletionList:
        asked = ls.client_capabilities.text_document
        item = asked.completion.completion_item if asked and asked.completion else None
        snippets = bool(item and item.snippet_support)

        def answer(at: Open) -> types.CompletionList:
            positions = ls.positions(at)
            return complete(at.file, positions.offset(params.position), positions, snippets=snippets)

        nothing = types.CompletionList(is_incomplete=False, items=[])
        return await ls.session.ask(_path(params.text_document.uri), answer, nothing)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(ls: Server, params: types.HoverParams) -> types.Hover | None:
        def answer(at: Open) -> types.Hover | None:
            positions = ls.positions(at)
            return hover(at.file, positions.offset(params.position), positions)

        return await ls.session.ask(_path(params.text_document.uri), answer, None)

    @server.feature(
        types.TEXT_DOCUMENT_SIGNATURE_HELP,
        types.SignatureHelpOptions(trigger_characters=["(", ","]),
    )
    async def signature(ls: Server, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        def answer(at: Open) -> types.SignatureHelp | None:
            return signature_help(at.file, ls.positions(at).offset(params.position))

        return await ls.session.ask(_path(params.text_document.uri), answer, None)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(ls: Server, params: types.DefinitionParams) -> list[types.Location]:
        def answer(at: Open) -> list[types.Location]:
            return definitions(at.file, ls.positions(at).offset(params.position), ls.session.encoding)

        return await ls.session.ask(_path(params.text_document.uri), answer, [])

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    async def referring(ls: Server, params: types.ReferenceParams) -> list[types.Location]:
        def answer(at: Open) -> list[types.Location]:
            offset = ls.positions(at).offset(params.position)
            declaration = params.context.include_declaration
            return references(at.file, offset, ls.session.encoding, declaration=declaration)

        return await ls.session.ask(_path(params.text_document.uri), answer, [])

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)
    async def highlight(ls: Server, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
        def answer(at: Open) -> list[types.DocumentHighlight]:
            positions = ls.positions(at)
            return highlights(at.file, positions.offset(params.position), positions)

        return await ls.session.ask(_path(params.text_document.uri), answer, [])

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        def answer(at: Open) -> list[types.DocumentSymbol]:
            return document_symbols(at.file, ls.positions(at))

        return await ls.session.ask(_path(params.text_document.uri), answer, [])

    @server.feature(types.WORKSPACE_SYMBOL)
    async def all_symbols(ls: Server, params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
        encoding = ls.session.encoding
        return await ls.session.ask_all(
            lambda watched: workspace_symbols(watched.viewer.view(), params.query, encoding)
        )

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def folding(ls: Server, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        def answer(at: Open) -> list[types.FoldingRange]:
            return folding_ranges(at.file, ls.positions(at))

        return await ls.session.ask(_path(params.text_document.uri), answer, [])

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    async def lenses(ls: Server, params: types.CodeLensParams) -> list[types.CodeLens]:
        def answer(at: Open) -> list[types.CodeLens]:
            return code_lenses(at.file, ls.positions(at))

        return await ls.session.ask(_path(params.text_document.uri), answer, [])


def _register_changes(server: Server) -> None:
    """What changes texts, and what runs."""

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatting(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        def answer(at: Open) -> list[types.TextEdit] | None:
            source = at.file.source
            try:
                text = format_source(source)
            except (ParseError, FormatError):
                return None  # what is wrong is told by diagnostics
            if text == source.text:
                return []
            return [types.TextEdit(ls.positions(at).range(0, len(source.text)), text)]

        return await ls.session.ask(_path(params.text_document.uri), answer, None)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepared(ls: Server, params: types.PrepareRenameParams) -> types.Range | None:
        def answer(at: Open) -> types.Range | None:
            positions = ls.positions(at)
            return prepare(at.file, positions.offset(params.position), positions)

        try:
            return await ls.session.ask(_path(params.text_document.uri), answer, None)
        except RenameError as error:
            raise _Refused(str(error)) from None

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    async def renamed(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
        def answer(at: Open) -> types.WorkspaceEdit | None:
            offset = ls.positions(at).offset(params.position)
            return rename(at.file, offset, params.new_name, ls.session.encoding)

        try:
            return await ls.session.ask(_path(params.text_document.uri), answer, None)
        except RenameError as error:
            raise _Refused(str(error)) from None

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    async def actions(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
        def answer(at: Open) -> list[types.CodeAction]:
            known = (*at.watched.tree.latest.diagnostics, *at.watched.later)
            return code_actions(at.file, known, params.range, ls.session.encoding)

        return await ls.session.ask(_path(params.text_document.uri), answer, [])

    @server.command(RUN_TESTS)
    async def run_tests(ls: Server, uri: str, ids: list[str]) -> dict[str, Any] | None:
        outcome = await ls.session.run_tests(_path(uri), ids)
        return None if outcome is None else outcome.summary
