# Role-based access, as many write it.
#
# Roles are data; see data.json.

# METADATA
# title: Role-based access
# description: |
#   Who may do what.
# scope: package
package app.rbac

import data.app.roles # loaded nightly
import data.app.users

# helpers of our own
import data.lib.strings as text

# METADATA
# title: Nobody, unless
default allow := false

# Admins may do everything.
allow if "admin" in user_roles

allow if {
	# one grant is enough
	some grant in grants # see below
	input.action == grant.action
	input.type == grant.type

	# tenants never mix
	input.tenant == data.app.tenants[input.user]
}

user_roles := users[input.user].roles # a list

grants contains grant if {
	some role in user_roles
	some grant in roles[role]
}

# Limits by plan:
limits := {
	# the free plan
	"free": {"requests": 10, "burst": 1},
	"paid": {
		"requests": 1000, # an hour
		"burst": 100,
		# not sold any more
		"legacy": [1, 2, 3],
	},
}

limit(plan) := limits[plan].requests if {
	plan != "legacy"
	not startswith(plan, "test-")
} else := limits.paid.legacy[0] if {
	plan == "legacy"
} else := 0

violations contains message if {
	count(input.items) > limit(input.plan)
	message := sprintf(
		"%d items are more than %d",
		[count(input.items), limit(input.plan)],
	)
}

violations contains "too late" if {
	every window in data.windows {
		window.from <= input.time
		window.to >= input.time # both ends
	}
	total := sum([item.price |
		some item in input.items
		item.price > 0
	])
	total > 100
	not is_admin with input.user as "nobody"
		with data.app.users as {}
}

is_admin if input.user == data.admins[_]

# the last word
