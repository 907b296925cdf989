"""How settings are told: one YAML file, variables laid over it, flags laid over these; every mistake with its place."""
