"""The classifier of the extractor of that name."""
