"""Study `improvement`: its points."""
