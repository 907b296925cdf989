"""HTTP: AuthZEN in `authzen`, OPA's API for data and queries in `opa`, whether the service is well in `health`, what all of
that looks like in `openapi`; `application` is all of it as one ASGI application, `server` serves it.

`problems` are the errors, `bodies` and `edge` what every request goes through, `admission` who may ask.
"""
