#!/usr/bin/env python3
"""Writes what torch draws on a GPU: tests/data/noise/cuda_generator.safetensors. Needs torch with CUDA.

Usage: tools/test_data/cuda_generator.py OUT
"""
import sys

import torch
from safetensors.torch import save_file


def main() -> None:
    tensors = {}
    for seed in (0, 1, 42, 2**32 - 1, 2**53 + 7):
        generator = torch.Generator("cuda").manual_seed(seed)

        def draw(*shape: int, step: int = 1) -> torch.Tensor:
            return torch.randn(shape, generator=generator, device="cuda").flatten()[::step].contiguous().cpu()

        tensors[f"{seed}/first"] = draw(1, 4, 8, 8)
        tensors[f"{seed}/second"] = draw(1, 4, 8, 8, step=5)
        generator.manual_seed(seed)
        tensors[f"{seed}/large"] = draw(2, 4, 96, 96, step=997)
        tensors[f"{seed}/large_second"] = draw(3, 4, 64, 64, step=997)
    save_file(tensors, sys.argv[1])


if __name__ == "__main__":
    main()
