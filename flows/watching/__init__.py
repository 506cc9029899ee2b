"""What is seen of a run: the terminal, Prefect's pages, what chains announce."""
