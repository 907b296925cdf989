"""The control API of a node: credentials, approvals, live sessions, health."""
