"""Networks as published checkpoints bear them: their constructor's arguments, and weights by name. No code of theirs is run."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.diffusion.denoiser import Denoiser
from models.networks import dhariwal_unet, song_unet
from models.registry import Section

KINDS: dict[str, tuple[Any, Any]] = {
    "SongUNet": (song_unet.SongUNet, song_unet.Settings),
    "DhariwalUNet": (dhariwal_unet.DhariwalUNet, dhariwal_unet.Settings),
}
"""EDM's names (`model_type`) of our networks."""
OURS = {
    "model_channels": "channels",
    "channel_mult": "multipliers",
    "channel_mult_emb": "embedding_channels",
    "num_blocks": "blocks",
    "attn_resolutions": "attention",
    "dropout": "dropout",
    "label_dropout": "label_dropout",
    "embedding_type": "embedding",
    "encoder_type": "encoder",
    "decoder_type": "decoder",
    "channel_mult_noise": "noise_channels",
    "resample_filter": "filter",
}
"""Our settings for its arguments."""
PREFIX = "model."
"""Of the network's parameters within EDM's preconditioned one."""


def settings_of(arguments: Mapping[str, Any]) -> Section:
    """The settings of a network with EDM's arguments. Raises ValueError for one that we have not."""
    kind = str(arguments.get("model_type"))
    if kind not in KINDS:
        raise ValueError(f"model_type {kind} is not allowed: one of {', '.join(KINDS)}")
    ours = {OURS[name]: value for name, value in arguments.items() if name in OURS}
    if "filter" in ours:
        ours["filter"] = [float(tap) for tap in ours["filter"]]
    settings: Section = KINDS[kind][1](**ours, augment_labels=bool(arguments.get("augment_dim")))
    return settings


def published(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Denoiser:
    """The denoiser of EDM's arguments (`img_resolution`, `img_channels`, `label_dim`, ...) with published weights.

    Raises ValueError for arguments that are not known, and RuntimeError for weights that do not fit.
    """
    settings = settings_of(arguments)
    side = int(arguments["img_resolution"])
    network = KINDS[str(arguments["model_type"])][0]
    model = network((int(arguments["img_channels"]), side, side), settings, int(arguments.get("label_dim", 0)))
    model.load_state_dict({name.removeprefix(PREFIX): value for name, value in weights.items()})
    return Denoiser(model, float(arguments.get("sigma_data", 0.5))).eval()
