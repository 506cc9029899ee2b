"""Experiments side by side, wherever their results are: folders, git revisions, DVC's experiments."""
