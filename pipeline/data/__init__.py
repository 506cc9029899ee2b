"""Real data: points of a known truth or a finite set of samples, and the numbers that models work on."""
