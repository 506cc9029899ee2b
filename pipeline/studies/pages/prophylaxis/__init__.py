"""Study `prophylaxis`: its page."""
