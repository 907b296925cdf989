"""Envoy's `ext_authz` (v3, gRPC): `request` makes an access request of what Envoy sends, `identity` says who asks,
`response` tells Envoy what was decided, `service` is the method that it calls, `settings` how all that is configured.
"""
