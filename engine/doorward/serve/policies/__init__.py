"""How policies arrive, and which revision of them is in force."""
