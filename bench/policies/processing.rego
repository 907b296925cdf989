# Processing of personal data: a purpose needs a basis, every field a purpose that covers it, and nothing is kept for ever.
package bench.processing

purposes := {
	"billing": {"basis": "contract", "fields": {"name", "email", "address"}, "keep_days": 3650},
	"newsletter": {"basis": "consent", "fields": {"email"}, "keep_days": 365},
	"advertising": {"basis": "consent", "fields": {"email", "age"}, "keep_days": 90},
}

regions := {"eu": {"eu", "eea", "ch"}, "us": {"us"}}

default allow := false

allow if {
	lawful
	covered
	purpose := purposes[input.activity.purpose]
	input.activity.keep_days <= purpose.keep_days
	input.activity.region in regions[input.subject.region]
}

lawful if purposes[input.activity.purpose].basis == "contract"

lawful if {
	purposes[input.activity.purpose].basis == "consent"
	given := {consent.purpose | some consent in input.subject.consents; not consent.withdrawn}
	input.activity.purpose in given
}

covered if {
	fields := purposes[input.activity.purpose].fields
	every field in input.activity.fields {
		field in fields
	}
}
