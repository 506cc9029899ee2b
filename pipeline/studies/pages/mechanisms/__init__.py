"""Study `mechanisms`: its page."""
