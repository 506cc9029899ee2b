"""The mathematics: denoisers, networks, samplers, guidance and training. Knows no params file and no paths."""
