"""The words of Ward's statements and tests, and what they mean: for completion and hover."""

from __future__ import annotations

from typing import Final

__all__ = [
    "DETECTOR_WORDS",
    "EXPECTED",
    "KEYWORD_WORDS",
    "MASKER_WORDS",
    "SNIPPETS",
    "STATEMENT_WORDS",
    "TEST_WORDS",
]

STATEMENT_WORDS: Final[dict[str, str]] = {
    "package": "The name under which this file's rules stand below `data`. The first statement of a file.",
    "import": "Makes a document of `data` or `input` known by its last name, or by the one after `as`.",
    "governs": "The kinds of request that this file speaks for; `*` for all. The request's fields are then in scope.",
    "default": "The value of a rule of which no definition holds.",
    "allow": "Permits the request where the condition holds. Any `block` is stronger.",
    "block": (
        "Refuses the request where the condition holds, or cannot be evaluated, whatever else is allowed."
    ),
    "mask": "Permits nothing; whatever is allowed comes back with the target masked. Of several maskers the strongest counts.",
    "approve": "What is allowed waits until a member of one of the groups consents.",
    "credential": "How long a credential for the resource lives, and as what it acts there. The shortest `ttl` counts.",
    "test": "A test: what is given, what happens, what is expected. Read by `doorward test` alone.",
}
"""What may begin a statement."""

KEYWORD_WORDS: Final[dict[str, str]] = {
    "if": "Before a condition.",
    "unless": "Before an exception: the statement holds unless this does.",
    "with": "In a `mask`: before the masker. After an expression: evaluates it with another document or function.",
    "by": "In an `approve`: before the groups, any member of which may consent.",
    "within": "In an `approve`: how long is waited for a consent: `500ms`, `60s`, `15m`, `8h`, `7d`.",
    "ttl": "In a `credential`: how long it lives: `500ms`, `60s`, `15m`, `8h`, `7d`.",
    "single_use": "In a `credential`: it opens one connection.",
    "as": "The name that an import is known by; in a `credential`, the upstream role it acts as.",
    "some": "Declares variables; `some x in xs` takes the members of a collection, one after another.",
    "every": "Holds where the body does for every member: `every x in xs { … }`.",
    "in": "Whether a value is among the members of a collection.",
    "not": "Holds where the expression has no answer, or `false`.",
    "contains": "Defines a set by its members.",
    "else": "What a rule is where the body before does not hold.",
    "true": "",
    "false": "",
    "null": "",
}
"""What may stand inside of statements."""

MASKER_WORDS: Final[dict[str, str]] = {
    "redact": "Nothing is left: `[redacted]`.",
    "null": "Nothing is left: null.",
    "replace": "Nothing is left: the text stands in its place.",
    "hash": "Equality is left: a keyed hash, so that equal values stay equal.",
    "format_preserving": "Shape and equality are left: digits for digits, letters for letters.",
    "partial": "The last n characters are left; fewer is stronger.",
}

DETECTOR_WORDS: Final[dict[str, str]] = {
    "card_number": "Numbers of payment cards.",
    "email": "Addresses of electronic mail.",
    "iban": "International bank account numbers.",
    "ip_address": "Addresses of the internet protocol.",
    "jwt": "JSON web tokens.",
    "phone": "Telephone numbers.",
    "secret_key": "Keys and tokens that grant access.",
    "ssn": "Social security numbers.",
}

TEST_WORDS: Final[dict[str, str]] = {
    "given": "What holds from here on: a field of the request, a part of `data`, a function, `time`, `schema`.",
    "when": "Asks for a decision: `when KIND [ACTION] [OPERATION]`, through the analyser that serves production.",
    "expect": "What is expected of the latest decision.",
    "some": "Lines at the top of a test make it run once for each answer.",
}

EXPECTED: Final[dict[str, str]] = {
    "allow": "The verdict is `allow`, and one of its reasons this text.",
    "block": "The verdict is `block`, and one of its reasons this text.",
    "approve": "The verdict is `approve`: exactly these groups are asked, for that long.",
    "mask": "The answer's columns of that name are masked so.",
    "credential": "What is said holds of the credential; what is not said is not looked at.",
    "reason": "A statement with that reason or id took part, whatever its verb.",
    "determining": "These statements took part and no others.",
    "error": "An evaluation failed so, by code or part of its message.",
    "no": "Before `mask`, `credential`, `reason`, `error` or `approval`: there is none.",
    "if": "A condition over `decision` and the fields of the request.",
}

SNIPPETS: Final[dict[str, str]] = {
    "package": "package ${1:name}",
    "governs": "governs ${1:postgres}",
    "import": "import data.${1:name}",
    "allow": 'allow "${1:reason}" if {\n\t$0\n}',
    "block": 'block "${1:reason}" if {\n\t$0\n}',
    "mask": "mask ${1:table.column} with ${2:redact}",
    "approve": 'approve "${1:reason}" by "${2:group}" within ${3:15m} if {\n\t$0\n}',
    "credential": "credential ttl ${1:15m}",
    "default": "default ${1:name} := ${2:false}",
    "test": (
        'test "${1:name}" {\n\tgiven principal.groups := ["${2:group}"]\n'
        "\twhen ${3:postgres} `${4:select 1}`\n\texpect ${0:allow}\n}"
    ),
    "replace": 'replace("${1:text}")',
    "partial": "partial(${1:4})",
    "every": "every ${1:x} in ${2:xs} {\n\t$0\n}",
    "some": "some ${1:x} in ${2:xs}",
}
"""How words go on, for clients that can fill in blanks."""
