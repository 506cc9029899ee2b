"""What a generation is (params, data, loops, steps, metrics) and the views of the results (DVC, MLflow, report)."""
