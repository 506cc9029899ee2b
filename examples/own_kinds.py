"""A worked example: a data set, a network, a sampler, an extractor, a metric and a study of one's own, in one file.

    cp examples/own_kinds.yaml params.yaml; self-consuming run      # or dvc repro
    mkdir studies/own; cp examples/own_kinds_study.yaml studies/own/params.yaml; self-consuming study own

Each stage depends on the part of this file that makes the kinds which it uses: with another metric everything is judged anew
and nothing is trained, with another network base models and generations are made anew.
"""

from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from models.diffusion.denoiser import Denoise
from models.diffusion.embedding import NoiseEmbedding
from models.diffusion.schedule import karras_sigmas
from models.diffusion.settings import SamplerSettings
from pipeline.data.finite import Finite
from pipeline.data.samples import Array, Labelled
from pipeline.distance.extractor import Extractor
from pipeline.experiment.kinds import DATASETS, EXTRACTORS, METRICS, NETWORKS, SAMPLERS, STUDIES, Count, Positive, Section
from pipeline.experiment.sections import DataSettings, ExtractorSettings, Seed
from pipeline.generation.job import load_model
from pipeline.judging.judged import Judged
from pipeline.storage.layout import BASE
from pipeline.studies.bench.study import Bench, Row, Summary, guided_fid
from pipeline.studies.kind import Kind

inputs = ["examples/own_kinds.npz"]
"""What this file reads: DVC hashes it, and what changes makes everything stale that uses a kind of this file."""


class FileSettings(DataSettings):
    """`path` of an .npz with uint8 `images` [N, C, H, W]."""

    path: str


@DATASETS.register("npz", FileSettings)
def npz(settings: FileSettings, held_out: int) -> Finite:
    """`n_real` of the file's images to train on, the others to report by."""
    with np.load(settings.path) as file:
        return Finite.split(Labelled(file["images"]), settings.n_real, held_out)


class ConvolutionSettings(Section):
    """Its channels, and the share of activations that are dropped in training."""

    channels: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1


@NETWORKS.register("convolution", ConvolutionSettings)
class Convolution(nn.Module):
    """[B, C, H, W] -> [B, C, H, W]: two convolutions, conditioned on the noise level in between."""

    def __init__(self, shape: tuple[int, ...], settings: ConvolutionSettings) -> None:
        super().__init__()
        channels = settings.channels
        self.head = nn.Conv2d(shape[0], channels, 3, padding=1)
        self.embed = nn.Sequential(NoiseEmbedding(channels), nn.Linear(channels, channels))
        self.drop = nn.Dropout(settings.dropout)
        self.tail = nn.Conv2d(channels, shape[0], 3, padding=1)

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        h = nn.functional.silu(self.head(x) + self.embed(c_noise)[:, :, None, None])
        return self.tail(self.drop(h))


class EulerSettings(SamplerSettings):
    """EDM's noise levels."""

    steps: Count
    sigma_min: Positive = 0.002
    sigma_max: Positive = 80.0
    rho: Positive = 7.0

    @property
    def evaluations(self) -> int:
        """One a step: the NFE that costs and plots are in."""
        return self.steps


@SAMPLERS.register("euler", EulerSettings)
def euler(denoise: Denoise, latents: Tensor, settings: EulerSettings) -> Tensor:
    """Euler's method on the probability-flow ODE."""
    levels = karras_sigmas(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho).to(latents)
    x = latents * levels[0]
    for t, t_next in zip(levels, levels[1:]):
        x = x + (t_next - t) / t * (x - denoise(x, t))
    return x


class PooledSettings(ExtractorSettings):
    """`size`: so many means along each side of an image."""

    size: Count = 4


@EXTRACTORS.register("pooled", PooledSettings)
class Pooled(Extractor):
    """The means over a grid of cells: features that need no training, and no torch."""

    def features(self, samples: Array) -> NDArray[np.float64]:
        """[N, C, H, W] -> [N, C size^2]."""
        size = self.settings.size
        rows = [part.mean(axis=2) for part in np.array_split(samples.astype(np.float64), size, axis=2)]
        cells = [part.mean(axis=2) for row in rows for part in np.array_split(row, size, axis=2)]
        return np.concatenate(cells, axis=1) / 255


class InkSettings(Section):
    """From which grey level on a pixel counts as drawn."""

    threshold: Annotated[int, Field(ge=1, le=255)] = 128


@METRICS.register("ink", InkSettings)
def ink(judged: Judged, settings: InkSettings) -> dict[str, float]:
    """The share of pixels that are drawn; its floor is that of real images."""
    return {"ink": float((judged.samples >= settings.threshold).mean())}


class ScalesSettings(Section):
    """`settings` of the study's file."""

    zetas: Annotated[list[Positive], Field(min_length=1)]


def scales(bench: Bench) -> list[Row]:
    """The FID of a base model, whose score is scaled, with each zeta."""
    job = bench.base()
    base = load_model(job, BASE)

    def scaled(zeta: float) -> Denoise:
        return lambda x, sigma: x + zeta * (base(x, sigma) - x)

    with torch.inference_mode():
        return [{"zeta": zeta, "fid": guided_fid(job, scaled(zeta))} for zeta in bench.settings.zetas]


def best(settings: Any, results: pd.DataFrame) -> Summary:
    """The zeta with the lowest mean FID."""
    means = results.groupby("zeta")["fid"].mean()
    return Summary(f"FID is lowest with zeta = {means.idxmin():g}", {"FID over zeta": means.reset_index()})


def curve(settings: Any, results: pd.DataFrame) -> Figure:
    """FID over zeta, a line a seed."""
    figure, axes = plt.subplots(layout="constrained")
    for seed, part in results.groupby("seed"):
        axes.plot(part["zeta"], part["fid"], marker=".", label=f"seed {seed}")
    axes.set(xlabel="zeta", ylabel="FID")
    axes.legend()
    return figure


STUDIES["scales"] = Kind({"seed": Seed}, ScalesSettings, scales, best, curve)
