"""Study `prophylaxis`: its points."""
