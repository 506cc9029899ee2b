"""Studies: what the source and its neighbours claim, each as a table of points that anyone can make again."""
