"""A session: rules defined on the fly, an input, and queries over both. Knows nothing of terminals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from doorward.author.profile import profiled, render_profile
from doorward.author.repl.answers import Answer, ask, why_not
from doorward.author.repl.entry import constants, kind_of, rule_names
from doorward.author.repl.shown import answers_text
from doorward.bundle import PolicySet, policies_from, read_policies
from doorward.decide.explain import render_condition
from doorward.engine import Engine, ModuleCache
from doorward.facts.postgres import AnalysisCache
from doorward.run.convert import to_json
from doorward.run.exact import loads_exactly
from doorward.run.values import UNDEFINED, Value
from doorward_dsl import DoorwardError, PolicyError, Source, render
from doorward_dsl.capabilities import Capabilities

__all__ = ["COMMANDS", "Reply", "Session"]

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "help": ("", "Say what can be typed."),
    "load": ("PATH", "Take policies and data from a directory, a bundle or a file."),
    "reload": ("", "Read the policies again."),
    "input": ("[JSON | @FILE | none]", "Set the input, or show it."),
    "data": (
        "[PATH JSON]",
        "Set a place below data, as in `:data acme.staff [1, 2]`, or show what is there.",
    ),
    "show": ("", "Show the package, the imports and the rules defined here."),
    "unset": ("NAME", "Forget a rule that was defined here."),
    "clear": ("", "Forget all rules, imports, data and input that were given here."),
    "explain": ("[QUERY]", "Say which expression of a query, or of the last one, failed, and what it saw."),
    "decide": ("", "Take the input for an access request: decide it, and explain the decision."),
    "profile": ("QUERY", "Say which lines of policy ran, how often, and for how long."),
    "quit": ("", "Leave; so does Ctrl-D."),
}
"""By name: what follows it, and what it does."""

_PACKAGE: Final = "package repl"
_FILE: Final = "repl.rego"
"""The name of the module that holds what is defined here."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be shown."""

    text: str = ""
    failed: bool = False
    ends: bool = False
    """Whether the session is over."""


class Session:
    """One session. Every entry gets one reply; whatever is wrong with an entry changes nothing."""

    def __init__(
        self,
        root: Path | None = None,
        *,
        capabilities: Capabilities | None = None,
        color: bool = False,
        width: int = 100,
    ) -> None:
        """Start with the policies at `root`. Raises PolicyError, OSError and whatever else reading them does."""
        self._root = root
        self._capabilities = capabilities
        self._color = color
        self._width = width
        self._modules = ModuleCache()
        self._analyses = AnalysisCache()
        self._loaded = policies_from({}) if root is None else read_policies(root)
        self._package = _PACKAGE
        self._imports: list[str] = []
        self._rules: list[str] = []
        self._data: dict[str, Any] = {}
        self._last = ""
        self.input: Value = UNDEFINED
        self.engine = self._compiled(self._loaded, self._rules)

    def feed(self, text: str) -> Reply:
        """The reply to an entry. Raises nothing but KeyboardInterrupt."""
        text = text.strip()
        try:
            match kind_of(text):
                case "empty":
                    return Reply()
                case "command":
                    return self._command(text[1:])
                case "package":
                    return self._in_package(text)
                case "import":
                    return self._import(text)
                case "rule":
                    return self._define(text)
                case "query":
                    return self._query(text)
        except PolicyError as error:
            said = "\n".join(render(one, color=self._color) for one in error.diagnostics)
            return Reply(said, failed=True)
        except DoorwardError as error:
            return Reply(str(error), failed=True)
        except OSError as error:
            return Reply(f"`{error.filename}`: {(error.strerror or str(error)).lower()}", failed=True)
        except RecursionError:
            return Reply("that is nested too deeply", failed=True)

    @property
    def within(self) -> str:
        """The head of the module in which queries stand."""
        return "\n".join((self._package, *self._imports))

    @property
    def package(self) -> tuple[str, ...]:
        """The names of the package in which queries stand."""
        return tuple(self._package.removeprefix("package").strip().split("."))

    # --- what is defined ---

    def _compiled(self, policies: PolicySet, rules: list[str], imports: list[str] | None = None) -> Engine:
        sources = policies.sources
        used = self._imports if imports is None else imports
        if rules:
            text = "\n".join((self._package, *used, "", *rules, ""))
            sources = (*sources, Source(_FILE, text))
        data = policies.data
        for path, value in self._data.items():
            data = _put(data, path.split("."), value)
        return Engine(
            replace(policies, sources=sources, data=data),
            analyses=self._analyses,
            modules=self._modules,
            capabilities=self._capabilities,
        )

    def _define(self, text: str) -> Reply:
        names = rule_names(text)
        given = constants(text)
        kept = [rule for rule in self._rules if not given & constants(rule)]
        self.engine = self._compiled(self._loaded, [*kept, text])
        word = "defined" if len(kept) == len(self._rules) else "redefined"
        self._rules = [*kept, text]
        return Reply(f"{word} {', '.join(names)}" if names else word)

    def _in_package(self, text: str) -> Reply:
        before, self._package = self._package, " ".join(text.split())
        try:
            self.engine.prepare("true", within=self.within)
            self.engine = self._compiled(self._loaded, self._rules)
        except PolicyError:
            self._package = before
            raise
        return Reply()

    def _import(self, text: str) -> Reply:
        line = " ".join(text.split())
        if line not in self._imports:
            self.engine.prepare("true", within="\n".join((self._package, *self._imports, line)))
            self._imports.append(line)
        return Reply()

    # --- queries ---

    def _query(self, text: str) -> Reply:
        self._last = text
        answers = ask(self.engine, text, self.input, within=self.within)
        return Reply(self._told(answers))

    def _told(self, answers: list[Answer]) -> str:
        return answers_text(answers, self._width)

    # --- commands ---

    def _command(self, text: str) -> Reply:
        name, _, rest = text.strip().partition(" ")
        name = {"q": "quit", "exit": "quit", "h": "help", "?": "help"}.get(name, name)
        commands: dict[str, Callable[[str], Reply]] = {
            "help": self._help,
            "load": self._load,
            "reload": self._reload,
            "input": self._set_input,
            "data": self._set_data,
            "show": self._show,
            "unset": self._unset,
            "clear": self._clear,
            "explain": self._explain,
            "decide": self._decide,
            "profile": self._profile,
            "quit": lambda _: Reply(ends=True),
        }
        if name not in commands:
            return Reply(f"there is no command `:{name[:40]}`; `:help` lists them", failed=True)
        return commands[name](rest.strip())

    def _help(self, _: str) -> Reply:
        widest = max(len(f":{name} {rest}") for name, (rest, _) in COMMANDS.items())
        lines = [
            "A query, such as `data.acme.allow` or `x := [1, 2][_]; x > 1`, is answered.",
            "A rule, such as `f(x) := x + 1` or `ok if input.a`, is kept for later queries; so is an import.",
            "`package acme` goes to a package: its rules have their short names there.",
            "",
            *(f"{f':{name} {rest}'.ljust(widest)}  {what}" for name, (rest, what) in COMMANDS.items()),
        ]
        return Reply("\n".join(lines))

    def _load(self, path: str) -> Reply:
        root = Path(path).expanduser() if path else self._root
        if root is None:
            return Reply("`:load` needs the path of policies", failed=True)
        loaded = read_policies(root)
        self.engine = self._compiled(loaded, self._rules)
        self._loaded, self._root = loaded, root
        number = len(loaded.sources)
        return Reply(f"{number} module{'s' if number != 1 else ''} from {root}")

    def _reload(self, _: str) -> Reply:
        if self._root is None:
            return Reply("nothing has been loaded", failed=True)
        return self._load("")

    def _set_input(self, text: str) -> Reply:
        if not text:
            if self.input is UNDEFINED:
                return Reply("there is no input")
            return Reply(answers_text([Answer((), {"input": to_json(self.input)})], self._width))
        self.input = UNDEFINED if text == "none" else _json(text)
        return Reply()

    def _set_data(self, text: str) -> Reply:
        path, _, value = text.partition(" ")
        if not value:
            return self._query(f"data.{path}" if path else "data")
        before = dict(self._data)
        self._data[path.removeprefix("data.")] = _json(value.strip())
        try:
            self.engine = self._compiled(self._loaded, self._rules)
        except PolicyError:
            self._data = before
            raise
        return Reply()

    def _show(self, _: str) -> Reply:
        return Reply("\n".join((self._package, *self._imports, *(["", *self._rules] if self._rules else []))))

    def _unset(self, name: str) -> Reply:
        kept = [rule for rule in self._rules if name not in rule_names(rule)]
        if len(kept) == len(self._rules):
            return Reply(f"no rule `{name[:60]}` was defined here", failed=True)
        self.engine = self._compiled(self._loaded, kept)
        self._rules = kept
        return Reply(f"forgot {name}")

    def _clear(self, _: str) -> Reply:
        self._rules, self._imports, self._data = [], [], {}
        self._package, self.input = _PACKAGE, UNDEFINED
        self.engine = self._compiled(self._loaded, [])
        return Reply()

    def _explain(self, query: str) -> Reply:
        query = query or self._last
        if not query:
            return Reply("there is no query to explain", failed=True)
        failed = why_not(self.engine, query, self.input, within=self.within)
        if failed is None:
            return Reply("nothing failed: the query has an answer")
        return Reply(render_condition(failed, color=self._color, width=self._width))

    def _decide(self, _: str) -> Reply:
        if not isinstance(self.input, dict):
            return Reply("the input is no access request; set one with `:input @request.json`", failed=True)
        told = self.engine.explain(self.input)
        return Reply(told.to_text(color=self._color, width=self._width))

    def _profile(self, query: str) -> Reply:
        if not query:
            return Reply("`:profile` needs a query", failed=True)
        self.engine.prepare(query, within=self.within)
        answers, profile = profiled(
            lambda: ask(self.engine, query, self.input, within=self.within), self.engine.policies.sources
        )
        lines = profile.sorted()
        table = render_profile(lines, 10) if lines else "no line of policy ran"
        return Reply(f"{self._told(answers)}\n{table}")


def _json(text: str) -> Value:
    try:
        content = Path(text[1:]).expanduser().read_bytes() if text.startswith("@") else text.encode()
        return loads_exactly(content)
    except (ValueError, ArithmeticError) as error:
        raise DoorwardError(f"that is not JSON: {error}") from None


def _put(data: Mapping[str, Any], path: list[str], value: Value) -> dict[str, Any]:
    """A copy of the data with a value at a path."""
    if not path:
        return dict(data)
    inner = data.get(path[0])
    below = value if len(path) == 1 else _put(inner if isinstance(inner, dict) else {}, path[1:], value)
    return {**data, path[0]: below}
