"""The `doorward` command: `main` puts it together, `service`, `author` and `ask` hold its commands."""
