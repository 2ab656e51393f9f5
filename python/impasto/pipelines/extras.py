"""Arguments of a call beyond diffusers' own, under the names and with the meaning of the command's options."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from .. import _core
from ..arrays import Generator, randn


@dataclass
class Extras:
    """What a call may be given beside diffusers' arguments.

    guidance_start, guidance_stop: the share of the steps in which guidance counts, 0..1 (Kynkaanniemi et al., 2024); a step without takes half the time.
    deep_cache_interval: the whole UNet only at every n-th step, its outer layers in between (DeepCache, Ma et al., 2024): faster, another picture.
    token_merging_ratio: the share of tokens, 0..0.75, that join others in self-attention (Bolya and Hoffman, 2023): faster, another picture.
    variation_strength, variation_seed: how far to lead the first noise of `generator`, a seed, towards that of another seed (A1111's variations); picture k
        goes towards that of variation_seed + k.
    """

    guidance_start: float = 0.0
    guidance_stop: float = 1.0
    deep_cache_interval: int = 1
    token_merging_ratio: float = 0.0
    variation_strength: float = 0.0
    variation_seed: int | None = None

    @classmethod
    def taken_from(cls, arguments: dict[str, Any]) -> "Extras":
        """Raises ValueError for values out of range, TypeError for those of another type."""
        extras = cls(**{f.name: arguments.pop(f.name) for f in fields(cls) if f.name in arguments})
        extras._check()
        return extras

    def _check(self) -> None:
        for name in ("guidance_start", "guidance_stop", "variation_strength"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` is {value}, and has to be 0 to 1")
        if self.guidance_start > self.guidance_stop:
            raise ValueError(f"`guidance_start` is {self.guidance_start}, and has to be at most `guidance_stop`, {self.guidance_stop}")
        for name in ("deep_cache_interval", "variation_seed"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
                raise TypeError(f"`{name}` has to be an int, but is {value!r}")
        self.walk()

    def walk(self) -> Any:
        """What the UNet keeps from step to step."""
        return _core.UNetWalk(self.deep_cache_interval, self.token_merging_ratio)

    def guided(self, step: int, steps: int) -> bool:
        """Whether a step has guidance, as diffusers' guiders count."""
        return int(self.guidance_start * steps) <= step < int(self.guidance_stop * steps)

    def changed(self) -> dict[str, Any]:
        """Those that are not left to their defaults."""
        return {name: value for name, value in asdict(self).items() if value != getattr(Extras, name)}

    def generators(self, generator: Any, batch: int) -> Any:
        """For a variation each picture has a stream of its own, from one seed. Raises ValueError where there is no seed to vary."""
        if self.variation_strength == 0 or isinstance(generator, list):
            return generator
        seed = secrets.randbits(32) if generator is None else generator
        if isinstance(seed, (int, np.integer)):
            return [Generator().manual_seed(int(seed)) for _ in range(batch)]
        if batch > 1:
            raise ValueError("`variation_strength` with several pictures needs a seed: pass `generator` as an int, or a list of generators")
        return generator

    def first_noise(self, shape: tuple[int, ...], generator: Any) -> np.ndarray:
        """Standard normal latents [n, c, h, w] for a walk to begin with."""
        noise = randn(shape, generator)
        if self.variation_strength == 0:
            return noise
        seed = secrets.randbits(32) if self.variation_seed is None else int(self.variation_seed)
        others = [Generator().manual_seed(seed + k) for k in range(shape[0])]
        return spherical_mix(noise, randn(shape, others), self.variation_strength)


def spherical_mix(noise: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Along great circles from `noise` to `other`, [n, c, h, w] both; as A1111 has it, each column of a channel on a circle of its own."""
    low, high = noise.astype(np.float64), other.astype(np.float64)
    share = float(np.float32(share))
    lengths = np.sqrt((low**2).sum(2, keepdims=True) * (high**2).sum(2, keepdims=True))
    angle = np.arccos(np.clip((low * high).sum(2, keepdims=True) / lengths, -1, 1))
    sine = np.sin(angle)
    straight = ~(sine > 1e-6)  # columns in one line have no circle between them
    kept, taken = (np.where(straight, part, np.sin(part * angle) / np.where(straight, 1, sine)) for part in (1 - share, share))
    return (kept * low + taken * high).astype(np.float32)
