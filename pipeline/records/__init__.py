"""DVC's side: recipes, what is recorded, the cache, remotes, who may work on what."""
