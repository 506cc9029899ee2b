"""Prefect's server: found, started, lost; deployments and cancellations."""
