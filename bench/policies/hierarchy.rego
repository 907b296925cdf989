# Roles that contain other roles: whoever leads may do what engineers may, and they what readers may.
package bench.hierarchy

contains_roles := {
	"lead": ["engineer", "reviewer"],
	"engineer": ["reader"],
	"reviewer": ["reader"],
	"reader": [],
}

permissions := {
	"reader": [{"action": "read", "kind": "document"}, {"action": "read", "kind": "build"}],
	"reviewer": [{"action": "comment", "kind": "document"}],
	"engineer": [{"action": "write", "kind": "document"}, {"action": "start", "kind": "build"}],
	"lead": [{"action": "release", "kind": "build"}],
}

roles contains role if some role in input.user.roles

roles contains role if {
	some held in input.user.roles
	some role in contains_roles[held]
}

roles contains role if {
	some held in input.user.roles
	some between in contains_roles[held]
	some role in contains_roles[between]
}

default allow := false

allow if {
	some role in roles
	some permission in permissions[role]
	permission.action == input.action
	permission.kind == input.resource.kind
}
