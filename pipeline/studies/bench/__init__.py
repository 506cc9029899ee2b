"""What a study is, and what its points are made with."""
