"""Between NumPy, torch and the engine: everything inside is float32 NumPy; torch is only touched when the caller's program has imported it."""

from __future__ import annotations

import secrets
import sys
from typing import Any, Sequence

import numpy as np

from . import _core


def torch_if_used() -> Any:
    """The torch module when the program has imported it, else None: Impasto never imports torch by itself."""
    return sys.modules.get("torch")


def is_torch(x: Any) -> bool:
    torch = torch_if_used()
    return torch is not None and isinstance(x, torch.Tensor)


def to_numpy(x: Any, dtype: Any = np.float32) -> np.ndarray:
    """A dense array of a torch tensor or of anything that NumPy takes; shares memory where it can."""
    if is_torch(x):
        torch = torch_if_used()
        x = x.detach().to(device="cpu", dtype=torch.float32 if dtype is np.float32 else None).numpy()
    return np.ascontiguousarray(x, dtype=dtype)


def like(x: np.ndarray, example: Any) -> Any:
    """`x` as the kind, type and device of `example`: a torch tensor for a torch tensor, else as it is."""
    if not is_torch(example):
        return x
    return torch_if_used().from_numpy(x).to(device=example.device, dtype=example.dtype)


def public(x: np.ndarray) -> Any:
    """What callers get where diffusers gives a torch tensor: one, if their program uses torch, else the NumPy array."""
    torch = torch_if_used()
    return x if torch is None else torch.from_numpy(np.ascontiguousarray(x))


class Generator:
    """Random numbers of `torch.Generator(device)`, without torch: the same seed draws the same numbers (to 2e-6).

    Args:
        device: whose numbers, as torch calls it: "cpu" or "cuda"; they are drawn on the CPU, no GPU is needed. Others raise RuntimeError.
    """

    def __init__(self, device: str = "cpu"):
        self.device = str(device)
        if self.device.split(":")[0] not in ("cpu", "cuda"):
            raise RuntimeError(f"impasto.Generator draws what torch draws on device 'cpu' or 'cuda', not {device!r}")
        self.seed()

    def manual_seed(self, seed: int) -> "Generator":
        """Starts again at `seed`, any integer of 64 bits, negative ones too."""
        self._seed = int(seed)
        self._core = _core.Generator(self._seed % 2**64, self.device != "cpu")
        return self

    def seed(self) -> int:
        """Starts again at a seed from the system, which it returns."""
        self.manual_seed(secrets.randbits(32))
        return self._seed

    def initial_seed(self) -> int:
        """The seed of the last start."""
        return self._seed

    def randn(self, *shape: int) -> np.ndarray:
        """The next standard normal numbers, float32, as `torch.randn(shape, generator=self)` draws them."""
        return self._core.randn(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def _randn_one(shape: Sequence[int], generator: Any) -> np.ndarray:
    if isinstance(generator, Generator):
        return generator.randn(*shape)
    torch = torch_if_used()
    return torch.randn(tuple(shape), generator=generator, device=generator.device, dtype=torch.float32).cpu().numpy()


def check_generator(generator: Any) -> Any:
    """A generator, or a list of them, from what a caller gave: an int or None becomes a Generator of ours.

    Raises TypeError for what is neither a torch.Generator, an impasto.Generator nor an int."""
    if generator is None:
        return Generator()
    if isinstance(generator, (list, tuple)):
        return [check_generator(g) for g in generator]
    torch = torch_if_used()
    if isinstance(generator, Generator) or (torch is not None and isinstance(generator, torch.Generator)):
        return generator
    if isinstance(generator, (int, np.integer)) and not isinstance(generator, bool):
        return Generator().manual_seed(int(generator))
    raise TypeError(f"generator has to be a torch.Generator, an impasto.Generator, an int or a list of them, but is {type(generator)}")


def randn(shape: Sequence[int], generator: Any) -> np.ndarray:
    """Standard normal noise of a batch: one stream for all of it, or, from a list of generators, one for each image."""
    if isinstance(generator, list):
        if len(generator) == 1:
            return _randn_one(shape, generator[0])
        return np.concatenate([_randn_one((1, *shape[1:]), g) for g in generator])
    return _randn_one(shape, generator)
