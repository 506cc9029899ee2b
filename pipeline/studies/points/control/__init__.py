"""Study `control`: its points."""
