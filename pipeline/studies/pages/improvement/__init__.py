"""Study `improvement`: its page."""
