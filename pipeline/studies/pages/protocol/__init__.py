"""Study `protocol`: its page."""
