# Owners, members of the owning team, and those with whom it was shared.
package bench.ownership

default allow := false

allow if input.document.owner == input.user.id

allow if {
	some team in input.user.teams
	team == input.document.team
	input.action in {"read", "comment", "write"}
}

allow if {
	some share in input.document.shares
	share.user == input.user.id
	input.action in share.actions
	not share.expired
}
