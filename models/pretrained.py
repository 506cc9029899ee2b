"""Networks as published checkpoints bear them: their constructor's arguments, and weights by name. No code of theirs is run."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.diffusion.denoiser import Denoiser
from models.networks import dhariwal_unet, edm2_unet, song_unet
from models.registry import Section

EDM2 = "EDM2"
KINDS: dict[str, tuple[Any, Any]] = {
    "SongUNet": (song_unet.SongUNet, song_unet.Settings),
    "DhariwalUNet": (dhariwal_unet.DhariwalUNet, dhariwal_unet.Settings),
    EDM2: (edm2_unet.EDM2UNet, edm2_unet.Settings),
}
"""EDM's names (`model_type`) of our networks, and EDM2's, which has one network and no such argument."""
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
    "channels_per_head": "channels_per_head",
    "label_balance": "label_balance",
    "concat_balance": "concat_balance",
    "res_balance": "res_balance",
    "attn_balance": "attn_balance",
    "clip_act": "clip_act",
    "logvar_channels": "logvar_channels",
}
"""Our settings for the arguments of EDM and, below, EDM2."""
PREFIX = "model."
"""Of the network's parameters within EDM's preconditioned one. EDM2's, with the log-variance head, are as ours."""


def type_of(arguments: Mapping[str, Any]) -> str:
    """Which of KINDS the arguments are of."""
    return str(arguments.get("model_type", EDM2))


def settings_of(arguments: Mapping[str, Any]) -> Section:
    """The settings of a network with EDM's or EDM2's arguments. Raises ValueError for one that we have not."""
    kind = type_of(arguments)
    if kind not in KINDS:
        raise ValueError(f"model_type {kind} is not allowed: one of {', '.join(KINDS)}")
    ours = {OURS[name]: value for name, value in arguments.items() if name in OURS}
    ours = {name: list(value) if isinstance(value, tuple) else value for name, value in ours.items()}
    if "filter" in ours:
        ours["filter"] = [float(tap) for tap in ours["filter"]]
    if kind != EDM2:
        ours["augment_labels"] = bool(arguments.get("augment_dim"))
    settings: Section = KINDS[kind][1](**ours)
    return settings


def published(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Denoiser:
    """The denoiser of EDM's or EDM2's arguments (`img_resolution`, `img_channels`, `label_dim`, ...) with published weights.

    Raises ValueError for arguments that are not known, and RuntimeError for weights that do not fit.
    """
    settings = settings_of(arguments)
    side = int(arguments["img_resolution"])
    network = KINDS[type_of(arguments)][0]
    model = network((int(arguments["img_channels"]), side, side), settings, int(arguments.get("label_dim", 0)))
    model.load_state_dict({name.removeprefix(PREFIX): value for name, value in weights.items()})
    return Denoiser(model, float(arguments.get("sigma_data", 0.5))).eval()
