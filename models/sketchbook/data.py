"""Rendered pictures on disk: made ahead in chunks by any number of processes, read as memory maps.

Picture i depends on (seed, i) alone, so nothing but pixels is stored: its Spec is sampled again from
the same random stream, and its caption anew each time it is seen.
"""

from __future__ import annotations

import os
import random
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from painter import SIZE, paint
from world import Spec, caption, sample_spec

CHUNK = 1000  # pictures in a file: 49 MB


def spec_of(seed: int, index: int) -> Spec:
    """The meaning of picture `index` of the training set `seed`."""
    return sample_spec(random.Random(f"{seed}/{index}"))


def caption_of(seed: int, index: int, epoch: int) -> str:
    """A caption of picture `index`, worded anew each epoch."""
    return caption(spec_of(seed, index), random.Random(f"{seed}/{index}/{epoch}"))


def _chunk_path(folder: Path, chunk: int) -> Path:
    return folder / f"pictures_{chunk:04d}.npy"


def _render(job: tuple[str, int, int]) -> int:
    folder, seed, chunk = job
    path = _chunk_path(Path(folder), chunk)
    if not path.exists():
        pixels = np.stack([paint(spec_of(seed, chunk * CHUNK + k)) for k in range(CHUNK)])
        partial = path.with_suffix(".part")
        with open(partial, "wb") as file:
            np.save(file, pixels)
        os.replace(partial, path)  # a chunk is whole or absent
    return chunk


def render(folder: Path, seed: int, count: int, workers: int) -> None:
    """Renders what is missing of the first `count` pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(str(folder), seed, chunk) for chunk in range(-(-count // CHUNK))]
    with Pool(workers) as pool:
        for chunk in pool.imap(_render, jobs):
            print(f"rendered chunk {chunk + 1} of {len(jobs)}", flush=True)


class Pictures:
    """The rendered pictures of a folder, as one array-like [n, 128, 128, 3] uint8."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("pictures_*.npy"))
        if not paths:
            raise FileNotFoundError(f"no pictures in {folder}: run the 'render' stage first")
        self._maps = [np.load(path, mmap_mode="r") for path in paths]

    def __len__(self) -> int:
        return len(self._maps) * CHUNK

    def __getitem__(self, index: int) -> np.ndarray:
        return self._maps[index // CHUNK][index % CHUNK]

    def crops(self, rng: np.random.Generator, batch: int, size: int) -> np.ndarray:
        """Random crops [batch, size, size, 3] uint8."""
        out = np.empty((batch, size, size, 3), np.uint8)
        for k in range(batch):
            y, x = rng.integers(0, SIZE - size + 1, 2)
            out[k] = self[int(rng.integers(len(self)))][y : y + size, x : x + size]
        return out
