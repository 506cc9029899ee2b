"""Study `pollution`: its page."""
