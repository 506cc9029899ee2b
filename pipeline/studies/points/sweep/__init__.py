"""Study `sweep`: its points."""
