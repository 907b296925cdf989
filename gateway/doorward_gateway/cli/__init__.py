"""The gateway's part of the `doorward` command."""
