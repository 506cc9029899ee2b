"""Networks F(x, c_noise) that a denoiser wraps, one file a kind. `network.kind` of params.yaml names one.

Adding one: a file here (or an extension) with its settings, and a class or function of (shape, settings), registered. The
program's own import torch when a network is made, so that params are read and checked at once: their settings are in
`models.sizes`, and their modules in `models.modules`.
"""
