"""How the points of each kind of study are made."""
