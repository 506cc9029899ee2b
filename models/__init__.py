"""The mathematics: denoisers, samplers, guidance and training. Depends on torch and NumPy only."""
