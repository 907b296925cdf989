# Sensitivity of data against clearance, purpose and place; what is not allowed says why.
package bench.sensitivity

levels := {"public": 0, "internal": 1, "confidential": 2, "restricted": 3}

needs_purpose := {"confidential", "restricted"}

default allow := false

allow if count(deny) == 0

deny contains "the clearance is too low" if levels[input.user.clearance] < levels[input.data.sensitivity]

deny contains "a purpose is needed" if {
	input.data.sensitivity in needs_purpose
	not input.purpose in input.data.purposes
}

deny contains "restricted data stays on managed devices" if {
	input.data.sensitivity == "restricted"
	not input.device.managed
}

deny contains "personal data stays in its region" if {
	"personal" in input.data.tags
	input.user.region != input.data.region
}
