# Quotas by plan: rate, size and number of open sessions, each with its message.
package bench.quotas

plans := {
	"free": {"requests": 100, "bytes": 1000000, "sessions": 1},
	"team": {"requests": 10000, "bytes": 100000000, "sessions": 20},
}

plan := plans[input.account.plan]

default allow := false

allow if count(violations) == 0

violations contains "too many requests" if input.usage.requests + 1 > plan.requests

violations contains "too much data" if input.usage.bytes + input.request.bytes > plan.bytes

violations contains msg if {
	input.usage.sessions >= plan.sessions
	msg := sprintf("no more than %d sessions", [plan.sessions])
}
