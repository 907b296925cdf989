import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
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

class DecideRequest(_message.Message):
    __slots__ = ("request_id", "json", "struct", "catalogue", "want_facts")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    STRUCT_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    WANT_FACTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    json: bytes
    struct: _struct_pb2.Struct
    catalogue: str
    want_facts: bool
    def __init__(self, request_id: _Optional[str] = ..., json: _Optional[bytes] = ..., struct: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., catalogue: _Optional[str] = ..., want_facts: _Optional[bool] = ...) -> None: ...

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
    CODE_UNSPECIFIED: Failure.Code
    CODE_INVALID_REQUEST: Failure.Code
    CODE_UNKNOWN_CATALOGUE: Failure.Code
    CODE_NO_POLICY: Failure.Code
    CODE_INTERNAL: Failure.Code
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

class GetRevisionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetRevisionResponse(_message.Message):
    __slots__ = ("revision", "git_commit", "modules", "statements", "loaded_at", "rejected")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    GIT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    MODULES_FIELD_NUMBER: _ClassVar[int]
    STATEMENTS_FIELD_NUMBER: _ClassVar[int]
    LOADED_AT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    revision: str
    git_commit: str
    modules: int
    statements: int
    loaded_at: str
    rejected: str
    def __init__(self, revision: _Optional[str] = ..., git_commit: _Optional[str] = ..., modules: _Optional[int] = ..., statements: _Optional[int] = ..., loaded_at: _Optional[str] = ..., rejected: _Optional[str] = ...) -> None: ...
