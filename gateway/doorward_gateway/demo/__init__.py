"""`doorward demo`: the whole product, on an embedded PostgreSQL, in under two minutes.

It is told by real parts only: a PostgreSQL server, the engine and the gateway, each a process of its own, and
psql and psycopg as clients; the gateway's commands are run as an operator would run them.
"""
