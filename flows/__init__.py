"""The orchestration: the Prefect flow, its tasks and deployments, and the command line. No numbers are made here."""
