import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_BLOCK: _ClassVar[Verdict]
    VERDICT_APPROVE: _ClassVar[Verdict]
    VERDICT_ALLOW: _ClassVar[Verdict]

class MaskMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MASK_METHOD_UNSPECIFIED: _ClassVar[MaskMethod]
    MASK_METHOD_PARTIAL: _ClassVar[MaskMethod]
    MASK_METHOD_FORMAT_PRESERVING: _ClassVar[MaskMethod]
    MASK_METHOD_HASH: _ClassVar[MaskMethod]
    MASK_METHOD_REPLACE: _ClassVar[MaskMethod]
    MASK_METHOD_NULL: _ClassVar[MaskMethod]
    MASK_METHOD_REDACT: _ClassVar[MaskMethod]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_HELD: _ClassVar[Outcome]
    OUTCOME_NOT_HELD: _ClassVar[Outcome]
    OUTCOME_ERRORED: _ClassVar[Outcome]
    OUTCOME_UNKNOWN: _ClassVar[Outcome]
VERDICT_UNSPECIFIED: Verdict
VERDICT_BLOCK: Verdict
VERDICT_APPROVE: Verdict
VERDICT_ALLOW: Verdict
MASK_METHOD_UNSPECIFIED: MaskMethod
MASK_METHOD_PARTIAL: MaskMethod
MASK_METHOD_FORMAT_PRESERVING: MaskMethod
MASK_METHOD_HASH: MaskMethod
MASK_METHOD_REPLACE: MaskMethod
MASK_METHOD_NULL: MaskMethod
MASK_METHOD_REDACT: MaskMethod
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_HELD: Outcome
OUTCOME_NOT_HELD: Outcome
OUTCOME_ERRORED: Outcome
OUTCOME_UNKNOWN: Outcome

class DecideRequest(_message.Message):
    __slots__ = ("request_id", "json", "struct", "catalogue", "want_facts", "traceparent")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    STRUCT_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    WANT_FACTS_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    json: bytes
    struct: _struct_pb2.Struct
    catalogue: str
    want_facts: bool
    traceparent: str
    def __init__(self, request_id: _Optional[str] = ..., json: _Optional[bytes] = ..., struct: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., catalogue: _Optional[str] = ..., want_facts: _Optional[bool] = ..., traceparent: _Optional[str] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("request_id", "decision", "failure")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    decision: Decision
    failure: Failure
    def __init__(self, request_id: _Optional[str] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class DecideBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[DecideRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[DecideRequest, _Mapping]]] = ...) -> None: ...

class DecideBatchResponse(_message.Message):
    __slots__ = ("responses",)
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    responses: _containers.RepeatedCompositeFieldContainer[DecideResponse]
    def __init__(self, responses: _Optional[_Iterable[_Union[DecideResponse, _Mapping]]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message")
    class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CODE_UNSPECIFIED: _ClassVar[Failure.Code]
        CODE_INVALID_REQUEST: _ClassVar[Failure.Code]
        CODE_UNKNOWN_CATALOGUE: _ClassVar[Failure.Code]
        CODE_NO_POLICY: _ClassVar[Failure.Code]
        CODE_INTERNAL: _ClassVar[Failure.Code]
        CODE_OVERLOADED: _ClassVar[Failure.Code]
        CODE_FORBIDDEN: _ClassVar[Failure.Code]
    CODE_UNSPECIFIED: Failure.Code
    CODE_INVALID_REQUEST: Failure.Code
    CODE_UNKNOWN_CATALOGUE: Failure.Code
    CODE_NO_POLICY: Failure.Code
    CODE_INTERNAL: Failure.Code
    CODE_OVERLOADED: Failure.Code
    CODE_FORBIDDEN: Failure.Code
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: Failure.Code
    message: str
    def __init__(self, code: _Optional[_Union[Failure.Code, str]] = ..., message: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("decision_id", "revision", "verdict", "masks", "approvals", "credential", "reasons", "determining", "errors", "operation_hash", "cacheable", "facts")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    DETERMINING_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    OPERATION_HASH_FIELD_NUMBER: _ClassVar[int]
    CACHEABLE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    revision: str
    verdict: Verdict
    masks: _containers.RepeatedCompositeFieldContainer[Mask]
    approvals: _containers.RepeatedCompositeFieldContainer[Approval]
    credential: Credential
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    determining: _containers.RepeatedCompositeFieldContainer[Reason]
    errors: _containers.RepeatedCompositeFieldContainer[EvaluationError]
    operation_hash: str
    cacheable: bool
    facts: bytes
    def __init__(self, decision_id: _Optional[str] = ..., revision: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., masks: _Optional[_Iterable[_Union[Mask, _Mapping]]] = ..., approvals: _Optional[_Iterable[_Union[Approval, _Mapping]]] = ..., credential: _Optional[_Union[Credential, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., determining: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., errors: _Optional[_Iterable[_Union[EvaluationError, _Mapping]]] = ..., operation_hash: _Optional[str] = ..., cacheable: _Optional[bool] = ..., facts: _Optional[bytes] = ...) -> None: ...

class Mask(_message.Message):
    __slots__ = ("target", "method", "keep_last", "replacement", "outputs", "origins", "reason")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    KEEP_LAST_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    target: str
    method: MaskMethod
    keep_last: int
    replacement: str
    outputs: _containers.RepeatedCompositeFieldContainer[Output]
    origins: _containers.RepeatedCompositeFieldContainer[Origin]
    reason: str
    def __init__(self, target: _Optional[str] = ..., method: _Optional[_Union[MaskMethod, str]] = ..., keep_last: _Optional[int] = ..., replacement: _Optional[str] = ..., outputs: _Optional[_Iterable[_Union[Output, _Mapping]]] = ..., origins: _Optional[_Iterable[_Union[Origin, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class Output(_message.Message):
    __slots__ = ("statement", "column", "whole")
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    statement: int
    column: int
    whole: bool
    def __init__(self, statement: _Optional[int] = ..., column: _Optional[int] = ..., whole: _Optional[bool] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("table_oid", "column_number")
    TABLE_OID_FIELD_NUMBER: _ClassVar[int]
    COLUMN_NUMBER_FIELD_NUMBER: _ClassVar[int]
    table_oid: int
    column_number: int
    def __init__(self, table_oid: _Optional[int] = ..., column_number: _Optional[int] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("groups", "within", "reason", "statement_id")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedScalarFieldContainer[str]
    within: _duration_pb2.Duration
    reason: str
    statement_id: str
    def __init__(self, groups: _Optional[_Iterable[str]] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[str] = ..., statement_id: _Optional[str] = ...) -> None: ...

class Credential(_message.Message):
    __slots__ = ("ttl", "single_use", "role")
    TTL_FIELD_NUMBER: _ClassVar[int]
    SINGLE_USE_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    ttl: _duration_pb2.Duration
    single_use: bool
    role: str
    def __init__(self, ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., single_use: _Optional[bool] = ..., role: _Optional[str] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("id", "verb", "text", "place")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    verb: str
    text: str
    place: str
    def __init__(self, id: _Optional[str] = ..., verb: _Optional[str] = ..., text: _Optional[str] = ..., place: _Optional[str] = ...) -> None: ...

class EvaluationError(_message.Message):
    __slots__ = ("id", "code", "message", "place")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    code: str
    message: str
    place: str
    def __init__(self, id: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., place: _Optional[str] = ...) -> None: ...

class DescribeResourceRequest(_message.Message):
    __slots__ = ("kind", "catalogue")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    catalogue: bytes
    def __init__(self, kind: _Optional[str] = ..., catalogue: _Optional[bytes] = ...) -> None: ...

class DescribeResourceResponse(_message.Message):
    __slots__ = ("catalogue",)
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    catalogue: str
    def __init__(self, catalogue: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("request", "instant", "replaying", "nearest")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    REPLAYING_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    request: DecideRequest
    instant: _timestamp_pb2.Timestamp
    replaying: Effects
    nearest: bool
    def __init__(self, request: _Optional[_Union[DecideRequest, _Mapping]] = ..., instant: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., replaying: _Optional[_Union[Effects, _Mapping]] = ..., nearest: _Optional[bool] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("request_id", "explanation", "failure")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    explanation: Explanation
    failure: Failure
    def __init__(self, request_id: _Optional[str] = ..., explanation: _Optional[_Union[Explanation, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Effects(_message.Message):
    __slots__ = ("effects",)
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    effects: _containers.RepeatedCompositeFieldContainer[Effect]
    def __init__(self, effects: _Optional[_Iterable[_Union[Effect, _Mapping]]] = ...) -> None: ...

class Effect(_message.Message):
    __slots__ = ("name", "digest", "arguments", "result", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    arguments: str
    result: str
    error: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ..., arguments: _Optional[str] = ..., result: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("decision", "statements", "nearest", "nearest_approval", "searched", "incomplete", "effects")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEAREST_FIELD_NUMBER: _ClassVar[int]
    NEAREST_APPROVAL_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    statements: _containers.RepeatedCompositeFieldContainer[StatementOutcome]
    nearest: Nearest
    nearest_approval: Nearest
    searched: int
    incomplete: bool
    effects: _containers.RepeatedCompositeFieldContainer[Effect]
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., statements: _Optional[_Iterable[_Union[StatementOutcome, _Mapping]]] = ..., nearest: _Optional[_Union[Nearest, _Mapping]] = ..., nearest_approval: _Optional[_Union[Nearest, _Mapping]] = ..., searched: _Optional[int] = ..., incomplete: _Optional[bool] = ..., effects: _Optional[_Iterable[_Union[Effect, _Mapping]]] = ...) -> None: ...

class StatementOutcome(_message.Message):
    __slots__ = ("id", "verb", "reason", "place", "outcome", "determining", "says", "error", "conditions")
    ID_FIELD_NUMBER: _ClassVar[int]
    VERB_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DETERMINING_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    verb: str
    reason: str
    place: str
    outcome: Outcome
    determining: bool
    says: _containers.RepeatedScalarFieldContainer[str]
    error: EvaluationError
    conditions: bytes
    def __init__(self, id: _Optional[str] = ..., verb: _Optional[str] = ..., reason: _Optional[str] = ..., place: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., determining: _Optional[bool] = ..., says: _Optional[_Iterable[str]] = ..., error: _Optional[_Union[EvaluationError, _Mapping]] = ..., conditions: _Optional[bytes] = ...) -> None: ...

class Nearest(_message.Message):
    __slots__ = ("verdict", "changes")
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    verdict: Verdict
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    def __init__(self, verdict: _Optional[_Union[Verdict, str]] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("op", "path", "value", "instead_of", "text", "derived")
    class Op(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OP_UNSPECIFIED: _ClassVar[Change.Op]
        OP_SET: _ClassVar[Change.Op]
        OP_ADD: _ClassVar[Change.Op]
        OP_REMOVE: _ClassVar[Change.Op]
    OP_UNSPECIFIED: Change.Op
    OP_SET: Change.Op
    OP_ADD: Change.Op
    OP_REMOVE: Change.Op
    OP_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    INSTEAD_OF_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DERIVED_FIELD_NUMBER: _ClassVar[int]
    op: Change.Op
    path: bytes
    value: bytes
    instead_of: bytes
    text: str
    derived: bool
    def __init__(self, op: _Optional[_Union[Change.Op, str]] = ..., path: _Optional[bytes] = ..., value: _Optional[bytes] = ..., instead_of: _Optional[bytes] = ..., text: _Optional[str] = ..., derived: _Optional[bool] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("query", "input", "within", "strict_builtin_errors", "instant")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    STRICT_BUILTIN_ERRORS_FIELD_NUMBER: _ClassVar[int]
    INSTANT_FIELD_NUMBER: _ClassVar[int]
    query: str
    input: bytes
    within: str
    strict_builtin_errors: bool
    instant: _timestamp_pb2.Timestamp
    def __init__(self, query: _Optional[str] = ..., input: _Optional[bytes] = ..., within: _Optional[str] = ..., strict_builtin_errors: _Optional[bool] = ..., instant: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("revision", "answers", "errors", "failure")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    revision: str
    answers: Answers
    errors: QueryErrors
    failure: Failure
    def __init__(self, revision: _Optional[str] = ..., answers: _Optional[_Union[Answers, _Mapping]] = ..., errors: _Optional[_Union[QueryErrors, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class Answers(_message.Message):
    __slots__ = ("bindings",)
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    bindings: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, bindings: _Optional[_Iterable[bytes]] = ...) -> None: ...

class QueryErrors(_message.Message):
    __slots__ = ("errors",)
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    errors: _containers.RepeatedCompositeFieldContainer[QueryError]
    def __init__(self, errors: _Optional[_Iterable[_Union[QueryError, _Mapping]]] = ...) -> None: ...

class QueryError(_message.Message):
    __slots__ = ("code", "message", "place")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    place: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., place: _Optional[str] = ...) -> None: ...

class GetRevisionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRevisionResponse(_message.Message):
    __slots__ = ("revision", "git_commit", "modules", "statements", "loaded_at", "rejected", "workers")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    GIT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    LOADED_AT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    revision: str
    git_commit: str
    modules: int
    statements: int
    loaded_at: str
    rejected: str
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    def __init__(self, revision: _Optional[str] = ..., git_commit: _Optional[str] = ..., modules: _Optional[int] = ..., statements: _Optional[int] = ..., loaded_at: _Optional[str] = ..., rejected: _Optional[str] = ..., workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("number", "revision", "loaded_at", "rejected")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LOADED_AT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    number: int
    revision: str
    loaded_at: str
    rejected: str
    def __init__(self, number: _Optional[int] = ..., revision: _Optional[str] = ..., loaded_at: _Optional[str] = ..., rejected: _Optional[str] = ...) -> None: ...

class WatchRevisionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRevisionResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: GetRevisionResponse
    def __init__(self, state: _Optional[_Union[GetRevisionResponse, _Mapping]] = ...) -> None: ...
