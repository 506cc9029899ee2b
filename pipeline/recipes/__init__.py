"""Recipes for DVC: what the stages depend on and make, as text, and where it is written."""
