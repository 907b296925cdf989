"""What each statement is called, and what the ones without a query in them do."""

from __future__ import annotations

import re
from typing import Any, Final

from pglast.enums import VariableSetKind

from doorward.facts.postgres.trees import Node, ast

__all__ = ["EFFECTS", "HARMLESS_SETTINGS", "into_clause", "kind_of"]

_OBJECTS: Final = {
    "matview": "materialized_view",
    "tabconstraint": "constraint",
    "domconstraint": "constraint",
    "defacl": "default_privileges",
    "fdw": "foreign_data_wrapper",
    "publication_namespace": "publication",
    "publication_rel": "publication",
    "statistic_ext": "statistics",
    "tsconfiguration": "text_search_configuration",
    "tsdictionary": "text_search_dictionary",
    "tsparser": "text_search_parser",
    "tstemplate": "text_search_template",
    "access_method": "access_method",
    "opclass": "operator_class",
    "opfamily": "operator_family",
}

_TRANSACTION: Final = (
    "begin",
    "begin",
    "commit",
    "rollback",
    "savepoint",
    "release",
    "rollback_to",
    "prepare_transaction",
    "commit_prepared",
    "rollback_prepared",
)

_PLAIN: Final[dict[type, tuple[str, str]]] = {
    # class: kind, effects (s schema, r roles, w writes, c session, x external, n not read-only)
    ast.AlterCollationStmt: ("alter_collation", "s"),
    ast.AlterDatabaseRefreshCollStmt: ("alter_database", "s"),
    ast.AlterDatabaseSetStmt: ("alter_database", "s"),
    ast.AlterDatabaseStmt: ("alter_database", "s"),
    ast.AlterDefaultPrivilegesStmt: ("alter_default_privileges", "r"),
    ast.AlterDomainStmt: ("alter_domain", "s"),
    ast.AlterEnumStmt: ("alter_type", "s"),
    ast.AlterEventTrigStmt: ("alter_event_trigger", "s"),
    ast.AlterExtensionContentsStmt: ("alter_extension", "s"),
    ast.AlterExtensionStmt: ("alter_extension", "s"),
    ast.AlterFdwStmt: ("alter_foreign_data_wrapper", "sx"),
    ast.AlterForeignServerStmt: ("alter_server", "sx"),
    ast.AlterFunctionStmt: ("alter_function", "s"),
    ast.AlterObjectDependsStmt: ("alter_depends", "s"),
    ast.AlterOpFamilyStmt: ("alter_operator_family", "s"),
    ast.AlterOperatorStmt: ("alter_operator", "s"),
    ast.AlterPolicyStmt: ("alter_policy", "sr"),
    ast.AlterPublicationStmt: ("alter_publication", "sx"),
    ast.AlterRoleSetStmt: ("alter_role", "r"),
    ast.AlterRoleStmt: ("alter_role", "r"),
    ast.AlterSeqStmt: ("alter_sequence", "s"),
    ast.AlterStatsStmt: ("alter_statistics", "s"),
    ast.AlterSubscriptionStmt: ("alter_subscription", "sx"),
    ast.AlterSystemStmt: ("alter_system", "wx"),
    ast.AlterTSConfigurationStmt: ("alter_text_search_configuration", "s"),
    ast.AlterTSDictionaryStmt: ("alter_text_search_dictionary", "s"),
    ast.AlterTableMoveAllStmt: ("alter_table", "s"),
    ast.AlterTableSpaceOptionsStmt: ("alter_tablespace", "s"),
    ast.AlterTypeStmt: ("alter_type", "s"),
    ast.AlterUserMappingStmt: ("alter_user_mapping", "rx"),
    ast.CheckPointStmt: ("checkpoint", "w"),
    ast.ClosePortalStmt: ("close", "c"),
    ast.ClusterStmt: ("cluster", "w"),
    ast.CommentStmt: ("comment", "s"),
    ast.CompositeTypeStmt: ("create_type", "s"),
    ast.ConstraintsSetStmt: ("set_constraints", "c"),
    ast.CreateAmStmt: ("create_access_method", "s"),
    ast.CreateCastStmt: ("create_cast", "s"),
    ast.CreateConversionStmt: ("create_conversion", "s"),
    ast.CreateDomainStmt: ("create_domain", "s"),
    ast.CreateEnumStmt: ("create_type", "s"),
    ast.CreateEventTrigStmt: ("create_event_trigger", "s"),
    ast.CreateExtensionStmt: ("create_extension", "sx"),
    ast.CreateFdwStmt: ("create_foreign_data_wrapper", "sx"),
    ast.CreateForeignServerStmt: ("create_server", "sx"),
    ast.CreateForeignTableStmt: ("create_foreign_table", "sx"),
    ast.CreateOpClassStmt: ("create_operator_class", "s"),
    ast.CreateOpFamilyStmt: ("create_operator_family", "s"),
    ast.CreatePLangStmt: ("create_language", "sx"),
    ast.CreatePolicyStmt: ("create_policy", "sr"),
    ast.CreatePublicationStmt: ("create_publication", "sx"),
    ast.CreateRangeStmt: ("create_type", "s"),
    ast.CreateRoleStmt: ("create_role", "r"),
    ast.CreateSchemaStmt: ("create_schema", "s"),
    ast.CreateSeqStmt: ("create_sequence", "s"),
    ast.CreateStatsStmt: ("create_statistics", "s"),
    ast.CreateStmt: ("create_table", "s"),
    ast.CreateSubscriptionStmt: ("create_subscription", "sx"),
    ast.CreateTableSpaceStmt: ("create_tablespace", "sx"),
    ast.CreateTransformStmt: ("create_transform", "s"),
    ast.CreateTrigStmt: ("create_trigger", "s"),
    ast.CreateUserMappingStmt: ("create_user_mapping", "rx"),
    ast.CreatedbStmt: ("create_database", "s"),
    ast.DeallocateStmt: ("deallocate", "c"),
    ast.DiscardStmt: ("discard", "c"),
    ast.DropOwnedStmt: ("drop_owned", "sr"),
    ast.DropRoleStmt: ("drop_role", "r"),
    ast.DropSubscriptionStmt: ("drop_subscription", "sx"),
    ast.DropTableSpaceStmt: ("drop_tablespace", "s"),
    ast.DropUserMappingStmt: ("drop_user_mapping", "rx"),
    ast.DropdbStmt: ("drop_database", "s"),
    ast.ImportForeignSchemaStmt: ("import_foreign_schema", "sx"),
    ast.IndexStmt: ("create_index", "s"),
    ast.ListenStmt: ("listen", "cn"),
    ast.LoadStmt: ("load", "wxc"),
    ast.LockStmt: ("lock", "n"),
    ast.NotifyStmt: ("notify", "w"),
    ast.ReassignOwnedStmt: ("reassign_owned", "r"),
    ast.RefreshMatViewStmt: ("refresh_materialized_view", "w"),
    ast.ReindexStmt: ("reindex", "w"),
    ast.ReplicaIdentityStmt: ("alter_table", "s"),
    ast.RuleStmt: ("create_rule", "s"),
    ast.SecLabelStmt: ("security_label", "sr"),
    ast.TransactionStmt: ("transaction", ""),
    ast.TruncateStmt: ("truncate", "w"),
    ast.UnlistenStmt: ("unlisten", "c"),
    ast.VariableShowStmt: ("show", ""),
    # Named by what they act on, see `kind_of`.
    ast.AlterObjectSchemaStmt: ("alter", "s"),
    ast.AlterOwnerStmt: ("alter", "sr"),
    ast.AlterTableStmt: ("alter", "s"),
    ast.CreateFunctionStmt: ("create_function", "s"),
    ast.DefineStmt: ("create", "s"),
    ast.DropStmt: ("drop", "s"),
    ast.GrantRoleStmt: ("grant_role", "r"),
    ast.GrantStmt: ("grant", "r"),
    ast.RenameStmt: ("alter", "s"),
    ast.VacuumStmt: ("vacuum", "n"),
}

EFFECTS: Final = {kind: effects for kind, (_, effects) in _PLAIN.items()}
"""Effects of statements without a query in them, a letter each; see `_PLAIN`."""

_WITH_QUERIES: Final[dict[type, str]] = {
    ast.CallStmt: "call",
    ast.CopyStmt: "copy",
    ast.CreateTableAsStmt: "create_table_as",
    ast.DeclareCursorStmt: "declare",
    ast.DeleteStmt: "delete",
    ast.DoStmt: "do",
    ast.ExecuteStmt: "execute",
    ast.ExplainStmt: "explain",
    ast.FetchStmt: "fetch",
    ast.InsertStmt: "insert",
    ast.MergeStmt: "merge",
    ast.PrepareStmt: "prepare",
    ast.SelectStmt: "select",
    ast.UpdateStmt: "update",
    ast.VariableSetStmt: "set",
    ast.ViewStmt: "create_view",
}

HARMLESS_SETTINGS: Final = frozenset(
    [
        "application_name",
        "bytea_output",
        "client_encoding",
        "client_min_messages",
        "datestyle",
        "default_transaction_read_only",
        "default_transaction_isolation",
        "default_transaction_deferrable",
        "enable_bitmapscan",
        "enable_hashagg",
        "enable_hashjoin",
        "enable_indexonlyscan",
        "enable_indexscan",
        "enable_material",
        "enable_mergejoin",
        "enable_nestloop",
        "enable_seqscan",
        "enable_sort",
        "extra_float_digits",
        "geqo",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "intervalstyle",
        "jit",
        "lc_messages",
        "lc_monetary",
        "lc_numeric",
        "lc_time",
        "lock_timeout",
        "max_parallel_workers_per_gather",
        "plan_cache_mode",
        "quote_all_identifiers",
        "random_page_cost",
        "seed",
        "standard_conforming_strings",
        "statement_timeout",
        "synchronize_seqscans",
        "timezone",
        "transaction",
        "transaction_timeout",
        "session",
        "characteristics",
        "work_mem",
        "xmlbinary",
        "xmloption",
        "hash_mem_multiplier",
        "transaction_isolation",
        "transaction_read_only",
        "transaction_deferrable",
    ]
)
"""Settings that change neither what a statement means nor what the session may do."""


def _object(kind: Any) -> str:
    name = re.sub("^OBJECT_", "", kind.name).lower()
    return _OBJECTS.get(name, name)


def kind_of(node: Node) -> str:
    """What facts call a statement: `select`, `drop_table`, `rollback_to`, …; `unknown` where there is no name
    for it.
    """
    kind = type(node)
    if kind in _WITH_QUERIES:
        return _kind_with_query(node)
    name = _PLAIN.get(kind, ("unknown", ""))[0]
    if kind is ast.TransactionStmt:
        return _TRANSACTION[int(node.kind)]
    if kind is ast.DropStmt:
        return f"drop_{_object(node.removeType)}"
    if kind is ast.DefineStmt:
        return f"create_{_object(node.kind)}"
    if kind is ast.AlterTableStmt:
        return f"alter_{_object(node.objtype)}"
    if kind in (ast.AlterOwnerStmt, ast.AlterObjectSchemaStmt):
        return f"alter_{_object(node.objectType)}"
    if kind is ast.RenameStmt:
        part = node.renameType.name in ("OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_ATTRIBUTE")
        return f"alter_{_object(node.relationType if part else node.renameType)}"
    if kind is ast.CreateFunctionStmt and node.is_procedure:
        return "create_procedure"
    if kind in (ast.GrantStmt, ast.GrantRoleStmt) and not node.is_grant:
        return name.replace("grant", "revoke")
    if kind is ast.VacuumStmt and not node.is_vacuumcmd:
        return "analyze"
    return name


def _kind_with_query(node: Node) -> str:
    name = _WITH_QUERIES[type(node)]
    if isinstance(node, ast.VariableSetStmt):
        reset = (VariableSetKind.VAR_RESET, VariableSetKind.VAR_RESET_ALL)
        return "reset" if node.kind in reset else "set"
    if isinstance(node, ast.CreateTableAsStmt) and node.objtype.name == "OBJECT_MATVIEW":
        return "create_materialized_view"
    if isinstance(node, ast.FetchStmt) and node.ismove:
        return "move"
    if isinstance(node, ast.SelectStmt) and into_clause(node) is not None:
        return "create_table_as"
    return name


def into_clause(node: Node) -> Any:
    """The INTO clause of a query; in a set operation it stands in the leftmost SELECT."""
    while node.larg is not None:
        node = node.larg
    return node.intoClause
