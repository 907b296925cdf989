"""The engine as a service.

`point` decides for every face of it, of which `rpc` is the main one. `policies` keeps the revision in force
current, `catalogues` remembers what gateways described, `server` puts a process together.
"""
