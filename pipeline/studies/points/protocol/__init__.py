"""Study `protocol`: its points."""
