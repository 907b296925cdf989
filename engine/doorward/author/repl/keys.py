"""What prompt_toolkit needs of a session: keys, and completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from doorward.author.repl.completion import Suggestion

__all__ = ["bindings", "completer"]


def bindings(is_complete: Callable[[str], bool]) -> KeyBindings:
    """Enter gives the entry when it is complete, and begins a new line when it is not; Alt-Enter gives it as it is."""
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text + "\n" if buffer.text.endswith("\n") else buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    @keys.add("escape", "enter")
    def _take(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def completer(suggest: Callable[[str], Iterable[Suggestion]]) -> Completer:
    """Completion by what is suggested for the text before the cursor."""

    class _Suggestions(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            for one in suggest(document.text_before_cursor):
                yield Completion(one.text, start_position=-one.replaces, display_meta=one.meaning)

    return _Suggestions()
