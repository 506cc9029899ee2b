"""What papers take from an experiment: figures as vector files, tables, and the sources to cite."""
