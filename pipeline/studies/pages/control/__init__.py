"""Study `control`: its page."""
