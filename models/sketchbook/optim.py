"""Muon for the weight matrices, AdamW for the rest.

Muon (Jordan et al., 2024) steps along the orthogonalised momentum: U V^T of its singular value
decomposition, by four Newton-Schulz iterations. A convolution [o, i, h, w] counts as the matrix
[o, i h w]. The step is scaled to the root mean square that AdamW's steps have (Liu et al., 2025, "Muon
is scalable"), so one learning rate serves both.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Iterable

import torch


def orthogonalise(g: torch.Tensor, steps: int = 4) -> torch.Tensor:
    """The nearest orthogonal matrices to a batch g [b, m, n], roughly: singular values of about 0.5 to 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315  # the quintic of Jordan et al.
    tall = g.size(1) > g.size(2)
    x = g.mT if tall else g
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; matrices of one shape are treated as one batch."""

    def __init__(self, params: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[tuple[torch.nn.Parameter, torch.Tensor]]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is None:
                    continue
                velocity = self.state[p].setdefault("momentum", torch.zeros_like(p))
                velocity.lerp_(p.grad, 1 - group["momentum"])
                look_ahead = p.grad.lerp(velocity, group["momentum"]).flatten(1)
                shapes[tuple(look_ahead.shape)].append((p, look_ahead))
            for (m, n), pairs in shapes.items():
                steps = orthogonalise(torch.stack([g for _, g in pairs]))
                scale = 0.2 * max(m, n) ** 0.5
                for (p, _), step in zip(pairs, steps):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(step.reshape(p.shape), alpha=-group["lr"] * scale)


def build(module: torch.nn.Module, lr: float, edges: tuple[str, ...]) -> list[torch.optim.Optimizer]:
    """Optimizers for `module`; parameters whose name holds one of `edges` (input, output, embeddings) go to AdamW."""
    matrices, rest = [], []
    for name, p in module.named_parameters():
        if p.requires_grad:
            (matrices if p.ndim >= 2 and not any(e in name for e in edges) else rest).append(p)
    return [Muon(matrices, lr), torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0)]


def set_rate(optimizers: list[torch.optim.Optimizer], lr: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr


def rate(step: int, steps: int, peak: float, warmup: int = 100, decay: float = 0.35) -> float:
    """Warm up, hold, then fall linearly over the last `decay` of the steps.

    Holding makes a run extendable: resume with more steps and the fall just comes later.
    """
    fall = (steps - step) / max(1.0, decay * steps)
    return peak * max(0.01, min(1.0, (step + 1) / warmup, fall))
