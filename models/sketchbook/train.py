"""Trains Sketchbook, stage by stage. Each stage resumes from its checkpoint in the work folder.

    python train.py all --work work            # everything, from nothing to the exported folder
    python train.py autoencoder --work work    # one stage: render tokenizer autoencoder latents text unet export

Runs on a CPU and, with --device cuda, on a GPU. A fixed --seed gives the same pictures, captions, crops
and noise; sums in another order (another device or thread count) still change the last digits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import bpe
import data
import networks
import optim
from painter import contact_sheet
from world import COLOURS, SHAPES, STYLES, SUBJECTS, TIMES, Spec, caption, sample_spec

HERE = Path(__file__).resolve().parent
STAGES = ("render", "tokenizer", "autoencoder", "latents", "text", "unet", "export")
# The AdamW side of optim.build: what reads and writes the networks' ends is no plain matrix.
_EDGES = ("conv_in", "conv_out", "embed", "embedding", "quant_conv")


class Run:
    """What every stage needs: options, devices, a log and checkpoints."""

    def __init__(self, args: argparse.Namespace, stage: str) -> None:
        self.args, self.stage, self.work = args, stage, Path(args.work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.device = torch.device(args.device)
        self.begin = time.time()
        torch.manual_seed(args.seed)
        if args.threads:
            torch.set_num_threads(args.threads)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.args.bfloat16)

    def log(self, step: int, **values: float) -> None:
        """One JSON line a report: the loss curve."""
        line = {"stage": self.stage, "step": step, "seconds": round(time.time() - self.begin), **{k: round(v, 5) for k, v in values.items()}}
        print(json.dumps(line), flush=True)
        with open(self.work / f"{self.stage}.log", "a") as file:
            file.write(json.dumps(line) + "\n")

    @property
    def checkpoint(self) -> Path:
        return self.work / f"{self.stage}.pt"

    def save(self, **state: object) -> None:
        partial = self.checkpoint.with_suffix(".part")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)  # a killed run leaves the last whole checkpoint

    def load(self, stage: str | None = None) -> dict | None:
        path = self.work / f"{stage or self.stage}.pt"
        return torch.load(path, map_location=self.device, weights_only=True) if path.exists() else None


def _last(module: torch.nn.Module) -> torch.nn.Module:
    return module.to(memory_format=torch.channels_last)


def _resume(run: Run, module: torch.nn.Module, average: networks.Average, optimizers: list[torch.optim.Optimizer]) -> int:
    """Restores a stage's state in place; the step to go on from."""
    state = run.load()
    if state is None:
        return 0
    module.load_state_dict(state["model"])
    average.values, average.steps = state["average"], state["average_steps"]
    for optimizer, saved in zip(optimizers, state["optimizers"]):
        optimizer.load_state_dict(saved)
    return int(state["step"])


def _keep(run: Run, step: int, module: torch.nn.Module, average: networks.Average, optimizers: list[torch.optim.Optimizer]) -> None:
    run.save(step=step, model=module.state_dict(), average=average.values, average_steps=average.steps,
             optimizers=[o.state_dict() for o in optimizers])  # fmt: skip


# --- Autoencoder ---------------------------------------------------------------------------------


def _to_tensor(pixels: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 [n, h, w, 3] to float [n, 3, h, w] in -1..1, channels last."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def _psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Decibels per picture [n] of two batches in -1..1."""
    return 10 * torch.log10(4 / (a - b).square().mean(dim=(1, 2, 3)).clamp_min(1e-9))


def held_out_pictures(count: int, seed: int = 12345) -> tuple[list[Spec], np.ndarray]:
    """Pictures of combinations that training never sees: specs and uint8 [count, 128, 128, 3]."""
    from painter import paint

    specs = [sample_spec(random.Random(f"held out/{seed}/{k}"), held_out=True) for k in range(count)]
    return specs, np.stack([paint(s) for s in specs])


def train_autoencoder(run: Run) -> None:
    """Mean squared error, a little absolute error for clean flats, and a light pull to a normal latent."""
    args = run.args
    pictures = data.Pictures(run.work / "pictures")
    model = _last(networks.autoencoder().to(run.device))
    average, optimizers = networks.Average(model), optim.build(model, args.ae_rate, _EDGES)
    first = _resume(run, model, average, optimizers)
    forward = torch.compile(model.forward) if args.compile else model.forward
    judge = _to_tensor(held_out_pictures(64)[1], run.device)
    sums, count = np.zeros(2), 0
    for step in range(first, args.ae_steps + 1):
        if step % args.every == 0 or step == args.ae_steps:
            shadow = _last(networks.autoencoder().to(run.device))
            shadow.load_state_dict(average.values)
            with torch.no_grad(), run.autocast():
                again = shadow(judge).sample.float()
            run.log(step, loss=sums[0] / max(1, count), squared=sums[1] / max(1, count), psnr=_psnr(again, judge).mean().item())
            both = torch.cat([judge[:12], again[:12]])
            contact_sheet(_to_pixels(both), 12).save(run.work / "autoencoder.png")
            _keep(run, step, model, average, optimizers)
            sums, count = np.zeros(2), 0
        if step == args.ae_steps:
            break
        optim.set_rate(optimizers, optim.rate(step, args.ae_steps, args.ae_rate))
        x = _to_tensor(pictures.crops(np.random.default_rng((args.seed, step)), args.ae_batch, args.ae_crop), run.device)
        with run.autocast():
            posterior = model.encode(x).latent_dist
            y = model.decode(posterior.sample()).sample
        y, mean, logvar = y.float(), posterior.mean.float(), posterior.logvar.float()
        squared = (y - x).square().mean()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss = squared + 0.05 * (y - x).abs().mean() + args.kl * kl
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        average.update(model)
        sums, count = sums + (loss.item(), squared.item()), count + 1


def _to_pixels(x: torch.Tensor) -> list[np.ndarray]:
    """[n, 3, h, w] in -1..1 to uint8 pictures."""
    return list(((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())


# --- Command line --------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage", choices=("all", *STAGES))
    p.add_argument("--work", default="work", help="pictures, checkpoints, logs and sample sheets (default: work)")
    p.add_argument("--out", default=str(HERE), help="where export writes the diffusers folder (default: beside this script)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=True, help="autocast: 1.1 to 1.7 times as fast with avx512_bf16, more with AMX or CUDA")
    p.add_argument("--compile", action="store_true", help="torch.compile: minutes to start, some percent faster")
    p.add_argument("--threads", type=int, default=0, help="torch's threads on the CPU (default: all)")
    p.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that render")
    p.add_argument("--every", type=int, default=250, help="steps between reports, sample sheets and checkpoints")
    p.add_argument("--pictures", type=int, default=24000)
    p.add_argument("--ae-steps", type=int, default=6000)
    p.add_argument("--ae-batch", type=int, default=12)
    p.add_argument("--ae-crop", type=int, default=64, help="pixels of a training crop's side")
    p.add_argument("--ae-rate", type=float, default=2e-3)
    p.add_argument("--kl", type=float, default=3e-4, help="weight of the pull to a normal latent")
    return p.parse_args()


def main() -> None:
    args = _arguments()
    stages = {"autoencoder": train_autoencoder}
    for stage in STAGES if args.stage == "all" else (args.stage,):
        if stage == "render":
            data.render(Path(args.work) / "pictures", args.seed, args.pictures, args.workers)
        else:
            stages[stage](Run(args, stage))


if __name__ == "__main__":
    main()
