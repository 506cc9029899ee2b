"""MLflow: a view that is rebuilt from the files."""
