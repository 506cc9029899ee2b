"""The Inception network of the literature's FID: its layers, its weights, its resizing."""
