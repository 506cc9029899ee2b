"""What a generation is (params, data, mixing, steps, metrics) and the views of the results (DVC, MLflow, report)."""
