"""The engine as a service: `server` is the process, `service` answers, `revisions` keeps the policies current,
`catalogues` remembers what gateways described, `wire` writes decisions as messages.
"""
