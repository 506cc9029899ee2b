"""The door to MLflow, lazily imported there alone: a view, rebuilt from the files."""
