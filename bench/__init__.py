"""What Doorward costs, measured beside its peers in one run: `make bench`, or `python -m bench --help`.

A figure counts as a ratio to another of the same run: contestants take turns, round by round, so that a slow minute of the
machine is everybody's. Reported are the median of the rounds and their spread (the range, as a share of the median).
"""
