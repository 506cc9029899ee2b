"""Intervals over seeds, what theory predicts, rows of numbers: for the report and for studies."""
