"""Samplers, one file a kind. `sampler.kind` of params.yaml names one.

Adding one: a file here (or an extension) with its settings, and a function of (denoise, latents, settings), registered.
"""
