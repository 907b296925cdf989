"""The engine as a service.

`point` decides for every face of it, of which `rpc` is the main one; `envoy` and `http` are for neighbours. `policies`
keeps the revision in force current, `catalogues` remembers what gateways described, `decision_log` keeps what was
decided, `operations` is for those who run it, `settings` and `configuration` are what it is told, `server` puts a
process together, `workers` runs several.
"""
