"""Study `mechanisms`: its points."""
