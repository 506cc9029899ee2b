"""What people look at: the report, MLflow, lists."""
