"""Fuzzing: mutated policies, requests, SQL and wire bytes, where nothing but a diagnostic may come out.

    python -m tests.adversity.fuzz --seconds 600 --target compile

`targets` says what is run and what counts as a fault, `corpus` what it begins with, `mutate` how that is changed,
`plain` and `guided` (by coverage, where atheris is installed) in which order; `faults` tells one fault from another
and makes it small.
"""
