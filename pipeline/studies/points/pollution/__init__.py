"""Study `pollution`: its points."""
