"""Making the parts of an experiment, one transaction each, and verifying them."""
