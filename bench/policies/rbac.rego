# Role-based access: three roles, each with its actions.
package bench.rbac

grants := {
	"reader": {"get", "list"},
	"editor": {"get", "list", "put"},
	"owner": {"get", "list", "put", "delete"},
}

default allow := false

allow if {
	some role in input.principal.groups
	input.action.name in grants[role]
}
