#!/usr/bin/env python3
"""Times a whole picture, from the start of a process to the written file, by `impasto generate` and by diffusers with PyTorch (float32, channels_last), in turns.

Usage: bench/rivals/whole_picture.py MODEL [--dtypes float32,float16] [--steps 20] [--rounds 1] [--width 512] [--height 512] [--threads 2]
Prints seconds and the peak of resident memory (medians), and how many times longer each takes than impasto in the first dtype. Weights may be random.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from compare import ROOT, processor

PROMPT = "a futuristic cityscape in the style of Van Gogh"
DIFFUSERS = """
import sys, torch
from diffusers import StableDiffusionPipeline
model, steps, width, height, threads, output = sys.argv[1:]
torch.set_num_threads(int(threads))
pipe = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32, safety_checker=None)
for part in (pipe.unet, pipe.vae):
    part.to(memory_format=torch.channels_last)
pipe.set_progress_bar_config(disable=True)
pipe(%r, num_inference_steps=int(steps), width=int(width), height=int(height), generator=torch.Generator().manual_seed(1)).images[0].save(output)
""" % PROMPT


def run(command):
    """Seconds, and the peak of resident memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed: {errors.decode(errors='replace')[-2000:]}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("model")
    a.add_argument("--impasto", default=str(ROOT / "build/release/cli/impasto"), help="the command")
    a.add_argument("--dtypes", default="float32", help="that impasto computes in, each in its turn")
    for name, default in (("steps", 20), ("rounds", 1), ("width", 512), ("height", 512), ("threads", 2)):
        a.add_argument(f"--{name}", type=int, default=default)
    o = a.parse_args()
    dtypes = o.dtypes.split(",")
    runs = {name: [] for name in [*(f"impasto, {dtype}" for dtype in dtypes), "diffusers, float32"]}
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "picture.png"
        shape = [str(n) for n in (o.steps, o.width, o.height, o.threads)]
        ours = [o.impasto, "generate", "--model", o.model, "--prompt", PROMPT, "--seed", "1", "--quiet", "--output", str(output)]
        for option, value in zip(("--num-inference-steps", "--width", "--height", "--threads"), shape):
            ours += [option, value]
        for _ in range(o.rounds):
            for dtype in dtypes:
                runs[f"impasto, {dtype}"].append(run([*ours, "--dtype", dtype]))
            runs["diffusers, float32"].append(run([sys.executable, "-c", DIFFUSERS, o.model, *shape, str(output)]))
    print(f"{processor()}, {o.threads} threads, {o.width} x {o.height}, {o.steps} steps, median of {o.rounds} rounds")
    seconds = {name: statistics.median(r[0] for r in rounds) for name, rounds in runs.items()}
    for name, rounds in runs.items():
        print(f"{name:18} {seconds[name]:8.1f} s {seconds[name] / seconds[next(iter(runs))]:6.2f}   peak {statistics.median(r[1] for r in rounds) / 1e9:5.2f} GB")


if __name__ == "__main__":
    main()
