"""Judging: metrics of samples, and a picture of them. A stage of its own, so that a new metric trains nothing anew."""
