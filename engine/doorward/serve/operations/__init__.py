"""What it takes to run the service: who may call (`callers`, before gRPC in `guard`, before HTTP in `admission`), health,
metrics, traces and its log, certificates, and what worker processes tell each other (`board`).
"""
