"""Sampling: ours beside a plain loop, SIMS over the base, and the distance over the number of evaluations for two samplers.

    python benchmarks/sampling.py [--preset gaussian digits]

The plain loop is EDM's Algorithm 1 as published code has it, the state in float64. SIMS evaluates two networks (naively 2.0
times) and must give the bits of the two evaluated apart. Distances: Frechet's, of points or raw pixels, on a model that
is trained here first.
"""

import torch
from comparison import HOME, Table, arguments, in_turn

from models.diffusion.denoiser import Denoise, Denoiser
from models.diffusion.examples import Held
from models.diffusion.guidance import sims
from models.diffusion.latents import latents
from models.diffusion.schedule import karras_sigmas
from models.diffusion.training import train
from models.samplers import dpmpp2m, heun
from pipeline.distance.frechet import frechet, moments
from pipeline.experiment.params import load
from pipeline.generation import compute

TARGETS = {"gaussian": 1.5, "digits": 1.9}
W = 0.85
NFE = 9, 17, 35


def real(preset: str) -> torch.Tensor:
    if preset == "gaussian":
        torch.manual_seed(7)
        return torch.randn(4000, 2) @ torch.linalg.cholesky(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).T
    from sklearn.datasets import load_digits

    return torch.from_numpy(load_digits().images).float().view(-1, 1, 8, 8) / 8 - 1


@torch.no_grad()
def plain(model: Denoiser, start: torch.Tensor, settings: heun.Settings) -> torch.Tensor:
    levels = karras_sigmas(settings.steps, settings.sigma_min, settings.sigma_max, settings.rho)
    x = start.double() * levels[0]
    for i, (t, t_next) in enumerate(zip(levels, levels[1:])):
        d = (x - model(x.float(), t.float()).double()) / t
        ahead = x + (t_next - t) * d
        if i < len(levels) - 2:
            d = d / 2 + (ahead - model(ahead.float(), t_next.float()).double()) / t_next / 2
        x = x + (t_next - t) * d
    return x


def apart(denoise: Denoise) -> Denoise:
    """The same function, of which guidance knows nothing else."""
    return lambda x, sigma: denoise(x, sigma)


def measure(table: Table, preset: str) -> None:
    params = load(HOME / f"presets/{preset}.yaml", root=HOME)
    values, settings = real(preset), params.sampler
    assert isinstance(settings, heun.Settings)
    section = params.train.model_copy(update={"steps": 2000 if preset == "gaussian" else 1000})
    fresh = compute.fresh_denoiser(params, tuple(values.shape[1:]), seed=0)
    model = train(fresh, Held(values), compute.budget(section, params), lambda stream, index: index)
    with torch.no_grad():
        other = Denoiser(compute.fresh_denoiser(params, tuple(values.shape[1:]), 1).network, model.sigma_data)
        for theirs, base in zip(other.parameters(), model.parameters()):  # an auxiliary: the base, a little elsewhere
            theirs.copy_(base + 0.01 * torch.randn_like(base))
    start = latents(0, 0, settings.block, tuple(values.shape[1:]))
    guided, naive = sims(model, other, W), sims(apart(model), apart(other), W)
    same = torch.equal(heun.heun(guided, start, settings), heun.heun(naive, start, settings))
    by_plain = float((plain(model, start, settings) - heun.heun(model, start, settings)).abs().max())
    sides = {
        "ours": lambda: heun.heun(model, start, settings),
        "plain": lambda: plain(model, start, settings),
        "SIMS": lambda: heun.heun(guided, start, settings),
        "naive SIMS": lambda: heun.heun(naive, start, settings),
    }
    seconds = in_turn(sides, 31, 30)
    table.compare(
        f"{preset}: Heun against the plain loop", {k: seconds[k] for k in ("ours", "plain")}, largest_difference=by_plain
    )
    ratios = sorted(a / b for a, b in zip(seconds["SIMS"], seconds["ours"]))
    ratio = ratios[len(ratios) // 2]
    table.say(
        f"{preset}: SIMS over the base",
        f"{ratio:.2f} times",
        "",
        ratio,
        TARGETS[preset],
        "<=",
        more={"same_bits_as_naive": same},
    )
    table.compare(f"{preset}: SIMS against both networks apart", {k: seconds[k] for k in ("SIMS", "naive SIMS")})
    known = moments(values.flatten(1).numpy())
    many = latents(1, 0, 4000, tuple(values.shape[1:]))
    for nfe in NFE:
        given = {"zeta": 1.0, "block": 4000, "sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0}
        of_heun = heun.Settings(**given, steps=(nfe + 1) // 2)
        of_dpm = dpmpp2m.Settings(**given, steps=nfe)
        with torch.inference_mode():
            drawn = heun.heun(model, many, of_heun), dpmpp2m.dpmpp2m(model, many, of_dpm)
        first, second = (frechet(*moments(each.flatten(1).numpy()), *known) for each in drawn)
        table.say(
            f"{preset}: distance at {nfe} evaluations",
            f"{second:.4g}",
            f"DPM-Solver++(2M); Heun {first:.4g}",
            second,
            more={"heun": first},
        )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--preset", nargs="+", choices=TARGETS, default=list(TARGETS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("sampling")
    for preset in given.preset:
        measure(table, preset)
    table.write(given.out)


if __name__ == "__main__":
    main()
