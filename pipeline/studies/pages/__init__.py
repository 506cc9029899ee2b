"""What is said and shown of the points of each kind of study."""
