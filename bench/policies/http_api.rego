# An HTTP API: methods and paths, scopes of a token, and a tenant that must match.
package bench.http_api

default allow := false

allow if {
	input.method == "GET"
	startswith(input.path, "/public/")
}

allow if {
	some scope in split(input.token.scope, " ")
	[method, area] := split(scope, ":")
	lower(input.method) == method
	parts := split(trim_prefix(input.path, "/"), "/")
	parts[0] == "tenants"
	parts[1] == input.token.tenant
	parts[2] == area
}
