# The policies of `warehouse/` as plain Rego: the reasons of the statements that hold.
package bench.warehouse

readable := {"customers", "orders", "reasoning_traces"}

analyst if "analysts" in input.principal.groups

compliance if "compliance" in input.principal.groups

dba if "dba" in input.principal.groups

agent if input.principal.kind == "agent"

import_job if {
	input.principal.kind == "ci"
	"importers" in input.principal.groups
}

migration_job if {
	input.principal.kind == "ci"
	input.principal.id in data.directory.migrations
}

catalogue_only if {
	every name in input.sql.tables {
		startswith(name, "pg_catalog.")
	}
}

reads_known_tables if {
	input.sql.read_only
	every name in input.sql.tables {
		name in readable
	}
}

reasons contains "people and jobs of the directory may connect" if input.action.name in {"connect", "issue_credential"}

reasons contains "transaction control" if input.sql.transaction

reasons contains "the catalogue is no secret" if {
	input.sql.read_only
	catalogue_only
}

reasons contains "analysts read the warehouse" if {
	analyst
	reads_known_tables
}

reasons contains "agents read what their task needs" if {
	agent
	reads_known_tables
}

reasons contains "the import job keeps orders current" if {
	import_job
	every name in input.sql.tables {
		name in {"orders"}
	}
}

reasons contains "DBAs keep the warehouse" if dba

reasons contains "migrations change the schema" if migration_job

reasons contains "the account is suspended" if input.principal.id in data.directory.suspended

reasons contains "schema changes go through migrations" if {
	input.sql.changes_schema
	not migration_job
}

reasons contains "roles and privileges are managed elsewhere" if input.sql.changes_roles

reasons contains "traces are read in bounded portions" if {
	"reasoning_traces" in input.sql.tables_read
	not input.sql.limited
}

reasons contains "writes to production wait for a second person" if {
	input.resource.environment == "production"
	input.sql.writes
	not import_job
}

reasons contains "card and social security numbers show their last four digits" if not compliance

reasons contains "addresses are joined on, never read" if not compliance
