# Network rules: the first networks and ports that fit decide, and some sources never pass.
package bench.network

rules := [
	{"source": "10.0.0.0/8", "ports": [22, 443, 5432], "protocol": "tcp"},
	{"source": "192.168.0.0/16", "ports": [443], "protocol": "tcp"},
	{"source": "172.16.0.0/12", "ports": [53], "protocol": "udp"},
]

refused := ["10.66.0.0/16", "192.168.66.0/24"]

default allow := false

allow if {
	some rule in rules
	rule.protocol == input.protocol
	input.port in rule.ports
	net.cidr_contains(rule.source, input.source)
	not blocked
}

blocked if {
	some network in refused
	net.cidr_contains(network, input.source)
}
