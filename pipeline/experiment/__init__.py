"""The experiment: params.yaml in, checked and frozen; kinds, chains, seeds, extensions, and what of the machine is used."""
