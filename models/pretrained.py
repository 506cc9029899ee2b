"""Networks as published checkpoints bear them: their constructor's arguments, and weights by name. No code of theirs is run."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from models.diffusion.denoiser import Denoiser
from models.modules.dhariwal_unet import DhariwalUNet
from models.modules.edm2_unet import EDM2UNet
from models.modules.song_unet import SongUNet
from models.registry import Section
from models.sizes import dhariwal_unet, edm2_unet, song_unet
from models.unet.shapes import AUGMENT_LABELS

EDM2 = "EDM2"
KINDS: dict[str, tuple[Any, Any]] = {
    "SongUNet": (SongUNet, song_unet.Settings),
    "DhariwalUNet": (DhariwalUNet, dhariwal_unet.Settings),
    EDM2: (EDM2UNet, edm2_unet.Settings),
}
"""EDM's names (`model_type`) of our networks, and EDM2's, which has one network and no such argument."""
NAMES = {"SongUNet": "song-unet", "DhariwalUNet": "dhariwal-unet", EDM2: "edm2-unet"}
"""What params.yaml calls them."""
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
DATA = "img_resolution", "img_channels", "label_dim"
POSITIONS = {
    "EDMPrecond": (*DATA, "use_fp16", "sigma_min", "sigma_max", "sigma_data", "model_type"),
    "Precond": (*DATA, "use_fp16", "sigma_data", "logvar_channels"),
}
"""The published classes around a network that compute as ours does, and the order of their arguments."""
USUAL: dict[str, dict[str, Any]] = {"SongUNet": {"channel_mult": [1, 2, 2, 2], "dropout": 0.1}}
"""What EDM takes for an argument that is not given, where our settings have something else."""
ELSEWHERE = {*POSITIONS["EDMPrecond"], "augment_dim"}
"""Arguments that say something of the data, of the noise, or of half precision, which is ours to choose."""
MOST = {"img_resolution": 4096, "img_channels": 4096, "num_blocks": 128, "label_dim": 1_000_000}
"""Larger arguments are none of a network that anyone has trained."""
MOST_RESOLUTIONS = 12
EDM_NOISE, PIXEL_NOISE, LATENT_NOISE = (-1.2, 1.2), (-0.8, 1.6), (-0.4, 1.0)
"""P_mean and P_std in training: EDM's (arXiv 2206.00364, Table 1); EDM2's (arXiv 2312.02696) for images, and for latents."""


def arguments_of(name: str, positional: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """A published class's arguments by name. Raises ValueError for a class that does not compute as ours does."""
    if name not in POSITIONS:
        raise ValueError(f"its network is a {name}, which computes otherwise than {' and '.join(POSITIONS)} do")
    if len(positional) > len(POSITIONS[name]):
        raise ValueError(f"{name} has {len(positional)} arguments without a name")
    usual = {"model_type": "DhariwalUNet"} if name == "EDMPrecond" else {}
    return usual | dict(zip(POSITIONS[name], positional)) | dict(keywords)


def noise_of(arguments: Mapping[str, Any]) -> dict[str, float]:
    """Section `noise` of a network with these arguments."""
    edm2 = LATENT_NOISE if arguments.get("img_channels") == 4 else PIXEL_NOISE
    p_mean, p_std = edm2 if type_of(arguments) == EDM2 else EDM_NOISE
    return {"sigma_data": float(arguments.get("sigma_data", 0.5)), "p_mean": p_mean, "p_std": p_std}


def shape_of(arguments: Mapping[str, Any]) -> tuple[tuple[int, int, int], int]:
    """The shape of a sample, and the number of classes, 0 for none. Raises ValueError for what cannot be."""
    for name, most in MOST.items():
        value = arguments.get(name, 0)
        if type(value) is not int or not (name in ("label_dim", "num_blocks") or name in arguments) or not 0 <= value <= most:
            raise ValueError(f"{name} {arguments.get(name)!r} is not allowed: a number of at most {most}")
    if len(list(arguments.get("channel_mult", []))) > MOST_RESOLUTIONS:
        raise ValueError(f"channel_mult has more than {MOST_RESOLUTIONS} resolutions")
    side = arguments["img_resolution"]
    return (arguments["img_channels"], side, side), arguments.get("label_dim", 0)


def our_name(arguments: Mapping[str, Any], name: str) -> str:
    """A published parameter's name in our network."""
    return name if type_of(arguments) == EDM2 else name.removeprefix(PREFIX)


def network_of(arguments: Mapping[str, Any]) -> nn.Module:
    """Our network for published arguments, untrained. Raises ValueError."""
    shape, classes = shape_of(arguments)
    network: nn.Module = KINDS[type_of(arguments)][0](shape, settings_of(arguments), classes)
    return network


def type_of(arguments: Mapping[str, Any]) -> str:
    """Which of KINDS the arguments are of."""
    return str(arguments.get("model_type", EDM2))


def kind_of(arguments: Mapping[str, Any]) -> str:
    """What params.yaml calls the network. Raises ValueError for one that we have not."""
    if (found := type_of(arguments)) not in NAMES:
        raise ValueError(f"model_type {found} is not allowed: one of {', '.join(NAMES)}")
    return NAMES[found]


def settings_of(arguments: Mapping[str, Any]) -> Section:
    """The settings of a network with EDM's or EDM2's arguments. Raises ValueError for one that we have not."""
    kind_of(arguments)
    kind = type_of(arguments)
    if unknown := [name for name in arguments if name not in OURS and name not in ELSEWHERE]:
        raise ValueError(f"argument {unknown[0]} is not known: neither EDM's networks nor EDM2's have it")
    shape_of(arguments)
    if (augmented := arguments.get("augment_dim", 0)) not in (0, AUGMENT_LABELS):
        raise ValueError(f"augment_dim {augmented!r} is not allowed: 0 or {AUGMENT_LABELS}")
    given = USUAL.get(kind, {}) | dict(arguments)
    ours = {OURS[name]: value for name, value in given.items() if name in OURS}
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
    model = network_of(arguments)
    model.load_state_dict({our_name(arguments, name): value for name, value in weights.items()})
    return Denoiser(model, float(arguments.get("sigma_data", 0.5))).eval()
