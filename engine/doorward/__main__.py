"""`python -m doorward` is the `doorward` command."""

from doorward.cli.main import main

main()
