# Time windows: office hours for people, maintenance windows for jobs.
package bench.windows

office_days := {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}

maintenance := {"Tuesday": {"from": 2, "to": 4}, "Sunday": {"from": 0, "to": 6}}

default allow := false

allow if {
	input.principal.kind == "human"
	input.time.weekday in office_days
	input.time.hour >= 8
	input.time.hour < 18
}

allow if {
	input.principal.kind == "job"
	window := maintenance[input.time.weekday]
	input.time.hour >= window.from
	input.time.hour < window.to
}
