"""What a training makes small."""

from torch import Tensor
from torch.nn.functional import mse_loss

from models.diffusion.denoiser import Denoiser
from models.diffusion.examples import Batch


def loss(model: Denoiser, batch: Batch) -> Tensor:
    """The mean loss of a batch, with gradients.

    |F - target|^2, which is lambda |D - y|^2 (EDM, arXiv 2206.00364, Eq. 8). Where the network learns how sure it is, u(sigma),
    it is lambda / exp(u) |D - y|^2 + u (EDM2, arXiv 2312.02696, Eq. 21), so that no noise level outweighs the others.
    """
    found = model.raw(batch.x, batch.c_noise, batch.conditions)
    log_variance = getattr(model.network, "log_variance", None)
    if log_variance is None:
        return mse_loss(found, batch.target)
    u: Tensor = log_variance(batch.c_noise)
    errors = (found - batch.target).square().flatten(1).mean(1)
    return (errors * (-u).exp() + u).mean()
