"""All parameters of a module in one tensor: an optimizer and an average walk over one faster than over many."""

import torch
from torch import nn


def flatten(module: nn.Module) -> list[nn.Parameter]:
    """Make the parameters, and wanted gradients, views of one parameter and its gradient: of one for each data type."""
    groups: dict[torch.dtype, list[nn.Parameter]] = {}
    for parameter in module.parameters():
        groups.setdefault(parameter.dtype, []).append(parameter)
    return [_joined(group) for group in groups.values()]


def _joined(parameters: list[nn.Parameter]) -> nn.Parameter:
    first = parameters[0]
    whole = nn.Parameter(first.new_empty(sum(each.numel() for each in parameters)), first.requires_grad)
    whole.grad = torch.zeros_like(whole) if first.requires_grad else None
    start = 0
    for each in parameters:
        place, strides = slice(start, start + each.numel()), torch.empty_like(each).stride()
        each.data = whole.data[place].as_strided(each.shape, strides).copy_(each.data)
        each.grad = None if whole.grad is None else whole.grad[place].as_strided(each.shape, strides)
        start = place.stop
    return whole
