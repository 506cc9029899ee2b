"""Study `sweep`: its page."""
