#!/usr/bin/env python3
"""Times torch on a GPU: a guided step of diffusers' UNet (a batch of two) and its decoder, float16, channels_last; 512 x 512.

Usage: bench/rivals/torch_cuda.py MODEL [--compile]     (MODEL: SD 1.5 in the diffusers layout; impasto bench --device cuda is the other side)
Needs torch with CUDA, and diffusers. --compile also times torch.compile(mode="max-autotune"), which takes minutes to compile.
"""
import argparse
import statistics

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel


def milliseconds(call, rounds: int = 20, warm_ups: int = 5) -> float:
    """Median by the device's own clock."""
    for _ in range(warm_ups):
        call()
    torch.cuda.synchronize()
    times = []
    for _ in range(rounds):
        begin, end = torch.cuda.Event(True), torch.cuda.Event(True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def captured(call) -> torch.cuda.CUDAGraph:
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    torch.backends.cudnn.benchmark = True

    def load(kind, part):
        return kind.from_pretrained(arguments.model, subfolder=part, torch_dtype=torch.float16).cuda().eval().to(memory_format=torch.channels_last)

    def random(*shape):
        return torch.randn(shape, device="cuda", dtype=torch.float16)

    unet, vae = load(UNet2DConditionModel, "unet"), load(AutoencoderKL, "vae")
    latents, one = (random(n, 4, 64, 64).to(memory_format=torch.channels_last) for n in (2, 1))
    context, timestep = random(2, 77, unet.config.cross_attention_dim), torch.tensor(500, device="cuda")
    print(torch.cuda.get_device_name(), "torch", torch.__version__, "cuDNN", torch.backends.cudnn.version())
    print(f"step {milliseconds(lambda: unet(latents, timestep, context)):.2f} ms")
    print(f"step in a CUDA graph {milliseconds(captured(lambda: unet(latents, timestep, context)).replay):.2f} ms")
    print(f"decode {milliseconds(lambda: vae.decode(one)):.2f} ms")
    if arguments.compile:
        fast = torch.compile(unet, mode="max-autotune", fullgraph=True)
        print(f"step compiled {milliseconds(lambda: fast(latents, timestep, context)):.2f} ms", flush=True)


if __name__ == "__main__":
    main()
