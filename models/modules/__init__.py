"""The networks themselves, as torch modules; their settings are in `models.networks`, which imports no torch."""
