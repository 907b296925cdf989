"""Functions: which one a call may mean, and what it does beside returning a value.

A function of the server is taken at its declared volatility, but for the tables below. A user's own function
may read any table: one in plain SQL is followed into its body, one in C that is declared immutable is
believed, any other makes the statement opaque.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from doorward.facts.postgres.catalogue import SYSTEM_SCHEMAS, Function
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.findings import ANYTHING, NOTHING, Flow, Opaque, SqlState, derive
from doorward.facts.postgres.kinds import HARMLESS_SETTINGS

__all__ = ["SCALAR_AGGREGATES", "Called", "Expand", "call"]

_READS_ELSEWHERE: Final = re.compile(
    r"""(query|table|schema|database|cursor)_to_xml.*
    | (query|table|schema|database)_to_xmlschema | .*_to_xml_and_xmlschema
    | pg_read_(binary_)?file | pg_ls_.*dir | pg_ls_dir | pg_stat_file | pg_current_logfile
    | lo_.* | loread | lowrite | lo(creat|import|export|unlink)
    | ts_stat | ts_rewrite
    | pg_logical_slot_.* | pg_get_wal.* | pg_walfile.* | pg_wal_summary_contents | pg_available_wal_summaries
    | pg_show_all_file_settings | pg_hba_file_rules | pg_ident_file_mappings
    | currtid2 | binary_upgrade_.* | pg_(restore|clear)_(attribute|relation)_stats
    | pg_extension_config_dump | pg_import_system_collations""",
    re.VERBOSE,
)
"""Functions of the server that reach tables, files or logs which the statement does not name."""

_HARMLESS: Final = re.compile(
    r"""random | random_normal | gen_random_uuid | uuidv[47] | clock_timestamp | timeofday | setseed
    | array_sample | array_shuffle | pg_sleep(_for|_until)?
    | pg_(try_)?advisory_.* | currval | lastval | current_query | pg_sequence_last_value
    | pg_is_in_recovery | pg_is_wal_replay_paused | pg_jit_available | pg_current_wal_.*lsn | pg_last_.*
    | pg_(relation|table|indexes|total_relation|database|tablespace)_size | pg_(xact|txid)_.* | txid_status
    | pg_blocking_pids | pg_safe_snapshot_blocking_pids | pg_partition_(tree|ancestors)
    | pg_(database_)?collation_actual_version | pg_lock_status | pg_prepared_xact | pg_notification_queue_usage
    | pg_stat_get_.* | pg_stat_have_stats | pg_stat_clear_snapshot | pg_get_(wait_events|aios|multixact_members)
    | pg_get_(backend_memory_contexts|shmem_allocations(_numa)?|loaded_modules) | pg_control_.*
    | pg_show_replication_origin_status | pg_replication_origin_(progress|session_is_setup|session_progress)
    | pg_isolation_test_session_is_blocked | pg_get_sequence_data""",
    re.VERBOSE,
)
"""Volatile functions of the server that change nothing anybody else could see."""

_REPEATS_ANYTHING: Final = frozenset({"pg_stat_get_activity", "pg_stat_get_backend_activity"})
"""Functions of the server that show statements of others, with whatever values stand in them."""

_SESSION: Final = frozenset({"set_config", "setseed"})
_LISTENS: Final = re.compile("pg_(try_)?advisory_.*")
_KNOWN_EXTENSIONS: Final = re.compile(
    "uuid_generate_v(1|1mc|4)|gen_salt|gen_random_bytes|gen_random_uuid|unaccent|show_limit|show_trgm|.*similarity.*_op"
)
"""Functions in C of the extensions that ship with PostgreSQL, not immutable, but reading and changing
nothing.
"""

SCALAR_AGGREGATES: Final = frozenset(
    [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "bool_and",
        "bool_or",
        "every",
        "bit_and",
        "bit_or",
        "bit_xor",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
        "corr",
        "covar_pop",
        "covar_samp",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "percentile_cont",
        "percentile_disc",
        "mode",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "any_value",
    ]
)
"""Aggregates whose answer holds at most one of the values they were given."""

MAX_NESTING: Final = 16
"""How many views and functions may stand inside each other."""


class Called(NamedTuple):
    """What a call gives: its type where all candidates agree, its columns where it is composite and they are
    spelt out.
    """

    type: str | None
    columns: tuple[str, ...] | None
    types: frozenset[str]
    """The types of all candidates."""
    same_columns: bool
    """Whether all candidates have the same columns."""
    returns_set: bool
    aggregate: bool
    extra: Flow
    """What its body reads, beside its arguments."""


Expand = Callable[[Function], Flow]
"""Follows a function in SQL into its body: everything the body reads."""


def call(
    context: Context,
    path: Sequence[str],
    arguments: int,
    flows: Sequence[Flow],
    expand: Expand,
    *,
    first: str | None = None,
) -> Called | None:
    """Finds what a call may mean and notes what it does; `None` where there is no such function.

    `first` is the first argument where that is a constant string: the setting that `set_config` changes. Raises `Opaque`
    where a call may do something that cannot be told from the statement.
    """
    candidates = _candidates(context, path, arguments)
    if not candidates:
        return None
    extra = [_note(context, function, flows, expand, first) for function in candidates]
    types = {function.result for function in candidates}
    columns = {function.columns for function in candidates}
    same_columns = len(columns) == 1
    return Called(
        next(iter(types)) if len(types) == 1 else None,
        columns.pop() if same_columns else None,
        frozenset(types),
        same_columns,
        any(function.returns_set for function in candidates),
        any(function.kind == "a" for function in candidates),
        derive(extra),
    )


def _candidates(context: Context, path: Sequence[str], arguments: int) -> list[Function]:
    *qualifier, name = path
    if len(qualifier) > 1 and qualifier[0] != context.catalogue.database:
        raise Opaque(
            f"the function `{'.'.join(path)}` is of another database", SqlState.FEATURE_NOT_SUPPORTED
        )
    schemas = qualifier[-1:] or context.function_path
    return [f for schema in schemas for f in context.catalogue.functions(schema, name) if f.takes(arguments)]


def _note(
    context: Context, function: Function, flows: Sequence[Flow], expand: Expand, first: str | None
) -> Flow:
    name, findings = function.name, context.findings
    bare = function.schema in ("pg_catalog", "public")
    findings.functions.add(name if bare else f"{function.schema}.{name}")
    if function.schema not in SYSTEM_SCHEMAS:
        return _own(function, expand)
    if _READS_ELSEWHERE.fullmatch(name):
        raise Opaque(f"`{name}` reaches what the statement does not name")
    if name in _SESSION or _LISTENS.fullmatch(name):
        findings.changes_session = True
    if name == "set_config":
        if first is None or first.lower() not in HARMLESS_SETTINGS:
            findings.read_only, findings.changes_meaning = False, True
        findings.stored |= derive(flows).sources
    elif function.volatility == "v" and not _HARMLESS.fullmatch(name):
        findings.write()
        findings.stored |= derive(flows).sources
    if name in _REPEATS_ANYTHING:
        return Flow(derived=frozenset({ANYTHING}))
    return NOTHING


def _own(function: Function, expand: Expand) -> Flow:
    if function.kind == "f":
        if function.body is not None:
            return expand(function)
        if function.language in ("c", "internal") and (
            function.volatility == "i" or _KNOWN_EXTENSIONS.fullmatch(function.name)
        ):
            return NOTHING
    raise Opaque(f"`{function.schema}.{function.name}` may read or do anything: its body is not analysed")
