# From what statements ask for to one decision: `data.doorward.decision`.
#
# Ask it with the complete document of a request as input (`doorward decide --document` prints one), and take an error,
# or no answer, for a block: under OPA an error in a condition leaves the condition without an answer. With
# `--strict-builtin-errors` such an error ends the evaluation instead, which then is a block.
package doorward

import data.doorward.export.asked
import data.doorward.export.kinds
import data.doorward.export.places

decision := {
	"verdict": verdict,
	"reasons": [named(reason) | some reason in sort(reasons)],
	"determining": [named(reason) | some reason in sort((((allows | blocks) | consents) | others))],
	"masks": [mask | verdict != "block"; some mask in masks],
	"approvals": [approval | verdict != "block"; some approval in approvals],
	"credential": credential,
}

named([id, verb, text, place]) := {"id": id, "verb": verb, "text": text, "place": place}

verdict := "block" if count(blocks) > 0

else := "block" if count(allows) == 0

else := "approve" if count(requirements) > 0

else := "allow"

reasons := blocks if count(blocks) > 0

else := {["", "block", "no statement allows this", ""]} if count(allows) == 0

else := consents if count(requirements) > 0

else := allows

# --- the request ---

issuing if input.action.name == "issue_credential"

without_operation if input.action.name in {"connect", "issue_credential"}

statement_of_sql if {
	input.resource.kind == "postgres"
	not without_operation
}

answering if {
	input.resource.kind in kinds
	input.resource.kind != "postgres"
	not without_operation
}

# --- what holds ---

sentences := {
	"allow": "allowed by",
	"block": "blocked by",
	"mask": "masked by",
	"approve": "consent is required by",
	"credential": "the credential is granted by",
}

# the value of a rule, of whatever type
said(rule) := object.get(rule, "value", false)

held contains {"verb": rule.verb, "id": rule.id, "place": rule.place, "given": {}} if {
	some rule in asked
	said(rule) == true
	rule.verb in {"allow", "block"}
}

held contains {"verb": rule.verb, "id": id, "place": place, "given": given(rule, member)} if {
	some rule in asked
	is_set(said(rule))
	some member in said(rule)
	id := object.get(as_object(member), "id", rule.id)
	place := object.get(places, id, rule.place)
	statement_or_rule(id, rule)
}

# what a member of a user's own rule calls its id is no name of a statement
held contains {"verb": rule.verb, "id": rule.id, "place": rule.place, "given": given(rule, member)} if {
	some rule in asked
	is_set(said(rule))
	some member in said(rule)
	not statement_or_rule(object.get(as_object(member), "id", rule.id), rule)
}

statement_or_rule(id, _) if places[id]

statement_or_rule(id, rule) if id == rule.id

as_object(member) := member if is_object(member)

else := {}

given(rule, member) := {"reason": member} if {
	is_string(member)
	rule.verb in {"allow", "block"}
}

else := member if is_object(member)

else := {"malformed": true}

# a rule that says what is not understood restricts
unreadable contains [rule.id, rule.verb, sprintf("%s %s", [sentences[rule.verb], rule.place]), rule.place] if {
	some rule in asked
	not is_set(said(rule))
	not understood(rule)
	restricts(rule.verb)
}

unreadable contains reason(one) if {
	some one in held
	malformed(one)
	restricts(one.verb)
}

understood(rule) if said(rule) == false

understood(rule) if {
	said(rule) == true
	rule.verb in {"allow", "block"}
}

restricts(verb) if not verb in {"allow", "credential"}

restricts("credential") if issuing

malformed(one) if one.given.malformed

malformed(one) if {
	some text in [one.given.reason, one.given.msg]
	not is_string(text)
}

malformed(one) if {
	one.verb == "mask"
	not masker(one)
}

malformed(one) if {
	one.verb == "mask"
	count(targets(one)) == 0
}

malformed(one) if {
	one.verb in {"mask", "approve"}
	some text in texts(one.given, ["target", "targets", "by", "groups"])
	not is_string(text)
}

malformed(one) if {
	one.verb == "credential"
	some text in texts(one.given, ["as", "role"])
	not is_string(text)
}

malformed(one) if {
	one.verb == "approve"
	count(texts(one.given, ["by", "groups"])) == 0
}

reason(one) := [one.id, one.verb, text(one), one.place]

text(one) := one.given.reason if is_string(one.given.reason)

else := one.given.msg if is_string(one.given.msg)

else := sprintf("%s %s", [sentences[one.verb], one.place])

texts(value, names) := {part |
	some name in names
	some part in listed(object.get(value, name, []))
}

listed(value) := {part | some part in value} if is_array(value)

else := value if is_set(value)

else := {value}

# --- allow and block ---

allows contains reason(one) if {
	some one in held
	one.verb == "allow"
	not malformed(one)
}

blocks contains reason(one) if {
	some one in held
	one.verb == "block"
	not malformed(one)
}

blocks contains [id, "block", sprintf("%s: its condition could not be evaluated", [words]), place] if {
	some [id, _, words, place] in unreadable
}

blocks contains ["", "block", sprintf("there is no kind of request `%s`", [substring(kind, 0, 100)]), ""] if {
	kind := input.resource.kind
	not kind in kinds
}

blocks contains ["", "block", sprintf("the statement cannot be analysed: %s", [input.sql.opaque_reason]), ""] if {
	statement_of_sql
	input.sql.opaque
}

blocks contains ["", "block", sprintf("the request cannot be analysed: %s", [input.unreadable]), ""]

# --- approve ---

consents contains reason(one) if {
	some one in held
	one.verb == "approve"
	not malformed(one)
}

requirements contains [one.id, sort(texts(one.given, ["by", "groups"])), wait(one), text(one)] if {
	some one in held
	one.verb == "approve"
	not malformed(one)
}

wait(one) := object.get(one.given, "within_ms", 0)

waits := {ms | some [_, _, ms, _] in requirements; ms > 0}

within := min(waits) if count(waits) > 0

else := 0

approvals := [approval |
	some [name, groups] in sort({[name, groups] |
		some [id, groups, _, _] in requirements
		name := consent_name(id, groups)
	})
	approval := {
		"statement_id": name,
		"groups": groups,
		"within_ms": within,
		"reason": min({words |
			some [id, groups_, _, words] in requirements
			groups_ == groups
			consent_name(id, groups_) == name
		}),
	}
]

consent_name(id, groups) := sprintf("%s(%s)", [id, concat(",", groups)]) if {
	count({others_ | some [id_, others_, _, _] in requirements; id_ == id}) > 1
}

else := id

# --- mask ---

ranks := {"partial": 1, "format_preserving": 2, "hash": 3, "replace": 4, "null": 5, "redact": 6}

methods := {rank: method | some method, rank in ranks}

masker(one) := {"name": stated, "args": []} if {
	stated := object.get(one.given, "with", "redact")
	is_string(stated)
}

else := {"name": stated.masker, "args": args} if {
	stated := one.given["with"]
	is_string(stated.masker)
	args := object.get(stated, "args", [])
	is_array(args)
}

strength(one) := [rank, 0 - keep, replacement] if {
	used := masker(one)
	rank := object.get(ranks, used.name, 6)
	keep := last([0], [arg | some arg in used.args; rank == 1; is_number(arg)])
	replacement := last([""], [arg | some arg in used.args; rank == 4; is_string(arg)])
}

last(before, values) := all_values[count(all_values) - 1] if all_values := array.concat(before, values)

targets(one) := {target |
	some written in texts(one.given, ["target", "targets"])
	is_string(written)
	target := target_text(written)
}

target_text(written) := sprintf("content(%s)", [trim_space(trim_suffix(trim_prefix(written, "content("), ")"))]) if {
	startswith(written, "content(")
	endswith(written, ")")
}

else := written

is_field(target) if {
	not startswith(target, "$")
	not is_content(target)
}

is_content(target) if {
	startswith(target, "content(")
	endswith(target, ")")
}

others contains reason(one) if {
	some one in held
	one.verb == "mask"
	not malformed(one)
}

masked[target] contains array.concat(strength(one), reason(one)) if {
	some one in held
	one.verb == "mask"
	not malformed(one)
	some target in targets(one)
}

strongest[target] := max(maskings) if some target, maskings in masked

blocks contains [id, "block", sprintf("`%s` cannot be masked in an answer of this kind", [target]), place] if {
	statement_of_sql
	some target, [_, _, _, id, _, _, place] in strongest
	startswith(target, "$")
}

blocks contains [id, "block", sprintf("`%s` is a column, and this answer has none", [target]), place] if {
	answering
	some target, [_, _, _, id, _, _, place] in strongest
	is_field(target)
}

blocks contains [id, "block", sprintf("`%s` is masked, so its value cannot go anywhere but into the answer", [column]), place] if {
	statement_of_sql
	some target, [_, _, _, id, _, _, place] in strongest
	some column in input.sql.columns_stored
	means(target, column)
}

blocks contains [id, "block", sprintf("`%s` is masked, so it cannot decide which rows come, or in which order", [column]), place] if {
	statement_of_sql
	some target, [_, _, _, id, _, _, place] in strongest
	some column in input.sql.columns_filtered
	means(target, column)
}

# whether `table.column`, `*.column` or `schema.table.column` means a column
means(target, column) if {
	is_field(target)
	wanted := split(lower(target), ".")
	parts := split(lower(column), ".")
	wanted[count(wanted) - 1] == parts[count(parts) - 1]
	path_means(array.slice(wanted, 0, count(wanted) - 1), array.slice(parts, 0, count(parts) - 1))
}

path_means(["*"], _) := true

path_means(path, relation) if {
	count(path) == 1
	path == relation
}

path_means([schema, table], relation) if {
	schema in {"*", schema_of(relation)}
	table in {"*", relation[count(relation) - 1]}
}

schema_of(relation) := relation[0] if count(relation) > 1

else := "public"

masks := [mask |
	maskable
	some target in sort(object.keys(strongest))
	not blocked_target(target)
	[rank, keep, replacement, _, _, words, _] := strongest[target]
	mask := {
		"target": target,
		"method": methods[rank],
		"keep_last": 0 - keep,
		"replacement": replacement,
		"reason": words,
	}
]

maskable if statement_of_sql

maskable if answering

blocked_target(target) if {
	answering
	is_field(target)
}

# --- credential ---

granted contains one.given if {
	some one in held
	one.verb == "credential"
	not malformed(one)
	issuing
}

others contains reason(one) if {
	some one in held
	one.verb == "credential"
	not malformed(one)
	issuing
}

ttls := {one.ttl_ms | some one in granted}

roles := {role |
	some one in granted
	some role in texts(one, ["as", "role"])
	role != ""
}

blocks contains ["", "block", "no statement grants a credential", ""] if {
	issuing
	count(granted) == 0
}

blocks contains ["", "block", "no statement says how long the credential may live", ""] if {
	issuing
	count(granted) > 0
	count(ttls) == 0
}

blocks contains ["", "block", sprintf("statements grant a credential for different roles: %s", [named_roles]), ""] if {
	issuing
	count(ttls) > 0
	count(roles) > 1
	named_roles := concat(", ", [sprintf("`%s`", [role]) | some role in sort(roles)])
}

credential := {"ttl_ms": min(ttls), "single_use": once, "role": concat("", roles)} if {
	issuing
	verdict != "block"
}

else := null

once := true in {one.single_use | some one in granted}
