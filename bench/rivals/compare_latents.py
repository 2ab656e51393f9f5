#!/usr/bin/env python3
"""Draws with diffusers (float32) and with impasto from the same checkpoint, prompt and seed; says how far the final latents lie apart.

Usage: bench/rivals/compare_latents.py MODEL [--num-inference-steps 2] [--scheduler CLASS] ...
Build first (`cmake --build --preset release`): impasto's side is bench/rivals/draw_latents.cc.
Exits with 1 when the distance is over --tolerance times the largest latent (2e-4 is the project's promise).
"""
import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import diffusers
import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("model")
    a.add_argument("--draw-latents", default=str(ROOT / "build/release/bench/draw_latents"), help="the program")
    a.add_argument("--prompt", default="a futuristic cityscape in the style of Van Gogh")
    a.add_argument("--negative-prompt", default="blurry, low quality")
    a.add_argument("--num-inference-steps", type=int, default=2)
    a.add_argument("--guidance-scale", type=float, default=7.5)
    a.add_argument("--seed", type=int, default=42)
    a.add_argument("--width", type=int, default=512)
    a.add_argument("--height", type=int, default=512)
    a.add_argument("--scheduler", default="", help="class name; default: the checkpoint's own")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--tolerance", type=float, default=2e-4)
    return a.parse_args()


def with_impasto(o):
    with tempfile.NamedTemporaryFile() as file:
        settings = (o.prompt, o.negative_prompt, o.num_inference_steps, o.guidance_scale, o.seed, o.width, o.height, o.scheduler, o.threads, file.name)
        start = time.perf_counter()
        subprocess.run([o.draw_latents, o.model, *map(str, settings)], check=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"impasto:   {time.perf_counter() - start:7.1f} s with loading and decoding, peak memory {peak:.2f} GiB")
        shape = numpy.fromfile(file.name, numpy.int64, count=4)
        return torch.from_numpy(numpy.fromfile(file.name, numpy.float32, offset=shape.nbytes)).reshape(*shape.tolist())


def with_diffusers(o):
    torch.set_num_threads(o.threads)
    p = diffusers.StableDiffusionPipeline.from_pretrained(o.model, torch_dtype=torch.float32, safety_checker=None, feature_extractor=None)
    if o.scheduler:
        p.scheduler = getattr(diffusers, o.scheduler).from_config(p.scheduler.config)
    p.set_progress_bar_config(disable=True)
    start = time.perf_counter()
    latents = p(o.prompt, negative_prompt=o.negative_prompt, num_inference_steps=o.num_inference_steps, guidance_scale=o.guidance_scale, width=o.width, height=o.height,
                generator=torch.Generator().manual_seed(o.seed), output_type="latent").images
    print(f"diffusers: {time.perf_counter() - start:7.1f} s for the steps")
    return latents


def main():
    o = arguments()
    diffusers.logging.set_verbosity_error()
    ours, theirs = with_impasto(o), with_diffusers(o)
    if ours.shape != theirs.shape:
        sys.exit(f"shapes differ: impasto {list(ours.shape)}, diffusers {list(theirs.shape)}")
    largest = float(theirs.abs().max())
    distance = float((ours.double() - theirs.double()).abs().max())
    print(f"latents {list(theirs.shape)}: largest {largest:.4g}, distance {distance:.3g}, relative {distance / largest:.3g} (allowed {o.tolerance:g})")
    return 0 if distance <= o.tolerance * largest else 1


if __name__ == "__main__":
    sys.exit(main())
