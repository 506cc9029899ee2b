"""What all networks and samplers have in common: the denoiser, its training, guidance, latents."""
