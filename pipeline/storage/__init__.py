"""Files: where everything lies, writes that happen or don't, folders that one process owns."""
