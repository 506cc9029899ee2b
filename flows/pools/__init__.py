"""Where chains run: processes of this machine, or Ray."""
