"""Trains Sketchbook, stage by stage. Each stage resumes from its checkpoint in the work folder.

    python train.py all --work work            # everything, from nothing to the exported folder
    python train.py autoencoder --work work    # one stage: render tokenizer autoencoder latents text unet export
    python train.py adopt --work work          # put an exported folder's weights where the stages go on from

Runs on a CPU and, with --device cuda, on a GPU. On a CPU whose cores are shared with other work, one
process a core loses less to waiting than one process with a thread a core:
    torchrun --nproc-per-node 2 train.py unet --work work --threads 1
A fixed --seed gives the same pictures, captions, crops
and noise; sums in another order (another device or thread count) still change the last digits.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

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
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if self.world > 1 and args.minutes:
            raise SystemExit("--minutes is for one process: several would not agree on the last step")
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        torch.manual_seed(args.seed)  # the same first weights in every process
        if args.threads:
            torch.set_num_threads(args.threads)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.args.bfloat16)

    def share(self, batch: int) -> slice:
        """This process's part of a batch."""
        return slice(self.rank * batch // self.world, (self.rank + 1) * batch // self.world)

    def agree(self, module: torch.nn.Module) -> None:
        """Averages the gradients over all processes."""
        if self.world > 1:
            tensors = [p.grad for p in module.parameters() if p.grad is not None]
            flat = torch.cat([t.flatten() for t in tensors])
            dist.all_reduce(flat)
            for t, part in zip(tensors, (flat / self.world).split([t.numel() for t in tensors])):
                t.copy_(part.view_as(t))

    def log(self, step: int, **values: float) -> None:
        """One JSON line a report: the loss curve."""
        line = {"stage": self.stage, "step": step, "seconds": round(time.time() - self.begin), **{k: round(v, 5) for k, v in values.items()}}
        if self.rank:
            return
        print(json.dumps(line), flush=True)
        with open(self.work / f"{self.stage}.log", "a") as file:
            file.write(json.dumps(line) + "\n")

    def over(self, step: int, steps: int) -> bool:
        """Whether this step is the last, by number or by --minutes."""
        return step >= steps or 0 < 60 * self.args.minutes <= time.time() - self.begin

    def rate(self, step: int, steps: int, peak: float) -> float:
        """The learning rate: its fall hangs on the step, or on the clock where --minutes says when to end."""
        if not self.args.minutes:
            return optim.rate(step, steps, peak, decay=self.args.fall)
        left = 1 - (time.time() - self.begin) / (60 * self.args.minutes)
        return min(optim.rate(step, 1 << 40, peak), peak * max(0.01, left / self.args.fall))

    @property
    def checkpoint(self) -> Path:
        return self.work / f"{self.stage}.pt"

    def save(self, **state: object) -> None:
        if self.rank:
            return
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
    torch.manual_seed(run.args.seed + 1000 * run.rank + (state["step"] if state else 0))
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
    if args.freeze_encoder:  # the averaged encoder made the stored latents
        model.load_state_dict(average.values)
    if run.device.type == "cpu" and args.bfloat16:
        networks.thrifty(model)
    judge = _to_tensor(held_out_pictures(64)[1], run.device)
    sums, count = np.zeros(2), 0
    for step in range(first, args.ae_steps + 1):
        over = run.over(step, args.ae_steps)
        if step % args.every == 0 or over:
            shadow = _last(networks.autoencoder().to(run.device))
            shadow.load_state_dict(average.values)
            with torch.no_grad(), run.autocast():
                again = shadow(judge).sample.float()
            run.log(step, loss=sums[0] / max(1, count), squared=sums[1] / max(1, count), psnr=_psnr(again, judge).mean().item())
            both = torch.cat([judge[:12], again[:12]])
            contact_sheet(_to_pixels(both), 12).save(run.work / "autoencoder.png")
            _keep(run, step, model, average, optimizers)
            sums, count = np.zeros(2), 0
        if over:
            break
        optim.set_rate(optimizers, run.rate(step, args.ae_steps, args.ae_rate))
        crops = pictures.crops(np.random.default_rng((args.seed, step)), args.ae_batch, args.ae_crop)
        x = _to_tensor(crops[run.share(args.ae_batch)], run.device)
        with run.autocast():
            with torch.set_grad_enabled(not args.freeze_encoder):
                posterior = model.encode(x).latent_dist
            y = model.decode(posterior.sample()).sample
        y, mean, logvar = y.float(), posterior.mean.float(), posterior.logvar.float()
        squares = (y - x).square().mean(dim=(1, 2, 3))
        squared = squares.mean()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss = squared + 0.05 * (y - x).abs().mean() + args.kl * kl
        if args.freeze_encoder:  # the finish goes for what is measured, decibels picture by picture
            loss = 0.1 * torch.log(squares + 1e-4).mean()
        loss.backward()
        run.agree(model)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        average.update(model)
        sums, count = sums + (loss.item(), squared.item()), count + 1


def _to_pixels(x: torch.Tensor) -> list[np.ndarray]:
    """[n, 3, h, w] in -1..1 to uint8 pictures."""
    return list(((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())


# --- Latents -------------------------------------------------------------------------------------


def encode_latents(run: Run) -> None:
    """Means and deviations of every picture's latent, so that the UNet's training never touches pixels."""
    pictures = data.Pictures(run.work / "pictures")
    model = _last(networks.autoencoder().to(run.device))
    model.load_state_dict(run.load("autoencoder")["average"])
    parts = []
    with torch.no_grad():
        for k in range(0, min(len(pictures), run.args.pictures), 50):
            x = _to_tensor(np.stack([pictures[i] for i in range(k, k + 50)]), run.device)
            with run.autocast():
                posterior = model.encode(x).latent_dist
            parts.append(torch.cat([posterior.mean, posterior.std], dim=1).half().cpu())
            if k % 2000 == 0:
                print(f"encoded {k} of {len(pictures)}", flush=True)
    latents = torch.cat(parts)  # [n, 8, 16, 16]: four means, four deviations
    adopted = run.load()  # a UNet that is trained further keeps the scale that it knows
    scale = adopted["scale"] if adopted else 1 / latents[:, :4].float().std().item()
    run.save(latents=latents, scale=scale)
    run.log(len(latents), scale=scale, mean=latents[:, :4].float().mean().item(), noise=latents[:, 4:].float().mean().item() * scale)


# --- Text ----------------------------------------------------------------------------------------


def train_tokenizer(run: Run) -> None:
    captions = [data.caption_of(run.args.seed, k, 0) for k in range(20000)]
    merges = bpe.learn(captions)
    bpe.save(run.work / "tokenizer", merges)
    tokenizer = _tokenizer(run)
    for text in (*captions[:200], "Joan Miró, naïve — 日本 42 o'clock_x"):
        assert tokenizer(text)["input_ids"] == bpe.check(run.work / "tokenizer", text), text
    print(f"{len(merges)} merges, {len(tokenizer)} tokens", flush=True)


def _tokenizer(run: Run) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(run.work / "tokenizer")


def _ids(run: Run, tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids [n, 77], padded with the end of text."""
    full = tokenizer(texts, padding="max_length", max_length=bpe.LENGTH, truncation=True, return_tensors="pt")
    return full.input_ids.to(run.device)


def _labels(spec: Spec) -> list[int]:
    """What a caption says, as class numbers: subject, style, time, colour, count, then each cell's shape and colour."""
    cells = {(t.row, t.column): t for t in spec.things}
    row = [SUBJECTS.index(spec.subject), STYLES.index(spec.style), TIMES.index(spec.time) if spec.subject != "objects" else 4]
    row += [COLOURS.index(spec.colour) + 1 if spec.colour else 0, spec.count]
    for cell in ((r, c) for r in range(3) for c in range(3)):
        thing = cells.get(cell)
        row += [SHAPES.index(thing.shape) + 1, COLOURS.index(thing.colour) + 1] if thing else [0, 0]
    return row


_CLASSES = [len(SUBJECTS), len(STYLES), len(TIMES) + 1, len(COLOURS) + 1, 4] + [len(SHAPES) + 1, len(COLOURS) + 1] * 9


def train_text(run: Run) -> None:
    """Warms the text encoder up: linear heads on its last states must name what the caption says.

    Minutes of text alone save the UNet the long plateau in which it cannot yet tell captions apart.
    """
    args, tokenizer = run.args, _tokenizer(run)
    encoder = networks.text_encoder(len(tokenizer)).to(run.device)
    model = torch.nn.ModuleDict({"encoder": encoder, "heads": torch.nn.Linear(networks.WIDTH, sum(_CLASSES)).to(run.device)})
    average, optimizers = networks.Average(model, 0.98), optim.build(model, args.text_rate, (*_EDGES, "heads"))
    first, hits, count = _resume(run, model, average, optimizers), np.zeros(len(_CLASSES)), 0
    for step in range(first, args.text_steps + 1):
        if step % args.every == 0 or step == args.text_steps:
            share = hits / max(1, count)
            run.log(step, subject=share[0], style=share[1], time=share[2], colour=share[3], count=share[4], cells=share[5:].min())
            _keep(run, step, model, average, optimizers)
            hits, count = np.zeros(len(_CLASSES)), 0
        if step == args.text_steps:
            break
        optim.set_rate(optimizers, optim.rate(step, args.text_steps, args.text_rate, warmup=50))
        rng = random.Random(f"text/{args.seed}/{step}")
        specs = [sample_spec(rng, objects=0.6) for _ in range(args.text_batch)]
        specs = specs[run.share(args.text_batch)]
        labels = torch.tensor([_labels(s) for s in specs], device=run.device)
        with run.autocast():
            states = encoder(_ids(run, tokenizer, [caption(s, rng, full=True) for s in specs])).last_hidden_state
            # The end of text fills the rest of the 77 places: any of them must hold the whole caption.
            at = torch.randint(40, bpe.LENGTH, (1,)).item()
            logits = model["heads"](states[:, at]).float().split(_CLASSES, dim=1)
        loss = sum(F.cross_entropy(part, labels[:, k]) for k, part in enumerate(logits))
        loss.backward()
        run.agree(model)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        average.update(model)
        hits += [(part.argmax(1) == labels[:, k]).float().mean().item() for k, part in enumerate(logits)]
        count += 1


# --- UNet ----------------------------------------------------------------------------------------

SHEET = (
    "a city skyline at sunset in the style of Van Gogh", "a futuristic cityscape in the style of Van Gogh", "mountains at sunrise, by J. M. W. Turner",
    "two boats with red sails on the sea at night, by Joan Miró", "a red circle left of a blue square", "a forest at noon",
    "a bridge over a river at sunset, by Turner", "a blue house on a hill under a full moon, Van Gogh style", "fields at noon in the style of Miró",
    "a green star above a purple heart, by Van Gogh", "three yellow triangles, by Joan Miró", "an orange circle on the right",
)  # fmt: skip


def pipeline(run: Run, average: dict[str, torch.Tensor]) -> StableDiffusionPipeline:
    """The averaged weights as the pipeline that export writes."""
    tokenizer = _tokenizer(run)
    vae, unet, text = networks.autoencoder(), networks.unet(), networks.text_encoder(len(tokenizer))
    vae.load_state_dict(run.load("autoencoder")["average"])
    vae.register_to_config(scaling_factor=round(run.load("latents")["scale"], 5))
    unet.load_state_dict({k[5:]: v for k, v in average.items() if k.startswith("unet.")})
    text.load_state_dict({k[5:]: v for k, v in average.items() if k.startswith("text.")})
    pipe = StableDiffusionPipeline(vae=_last(vae.eval()), text_encoder=text.eval(), tokenizer=tokenizer, unet=_last(unet.eval()), scheduler=scheduler(),
                                   safety_checker=None, feature_extractor=None, requires_safety_checker=False)  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(run.device)


def scheduler() -> DPMSolverMultistepScheduler:
    """Stable Diffusion's noise, velocity prediction, DPM-Solver++ of second order."""
    return DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, prediction_type="v_prediction",
        algorithm_type="dpmsolver++", solver_order=2, timestep_spacing="leading", steps_offset=1,
    )  # fmt: skip


def _sheet(run: Run, average: dict[str, torch.Tensor]) -> None:
    pipe = pipeline(run, average)
    with run.autocast():
        pictures = pipe(list(SHEET), num_inference_steps=16, guidance_scale=5.0, output_type="np", generator=torch.Generator().manual_seed(7)).images
    contact_sheet([(p * 255).round().astype(np.uint8) for p in pictures], 6).save(run.work / "unet.png")


def train_unet(run: Run) -> None:
    """Velocity prediction on stored latents, jointly with the text encoder unless --freeze-text.

    Velocity rather than noise: at high noise the noise is nearly the input and a small network learns
    little from predicting it, while velocity there asks for the picture. Its loss is weighted by
    min(SNR, 5) / (SNR + 1) (Hang et al., 2023), so that no noise level dominates.
    """
    args, tokenizer = run.args, _tokenizer(run)
    stored = run.load("latents")
    latents, scale = stored["latents"], stored["scale"]
    model = torch.nn.ModuleDict({"unet": _last(networks.unet()), "text": networks.text_encoder(len(tokenizer))}).to(run.device)
    warm = run.load("text")["average"]
    model["text"].load_state_dict({k[8:]: v for k, v in warm.items() if k.startswith("encoder.")})
    average, optimizers = networks.Average(model, args.decay), optim.build(model, args.unet_rate, _EDGES)
    first = _resume(run, model, average, optimizers)
    unet, text = model["unet"], model["text"]
    text.requires_grad_(not args.freeze_text)
    if run.device.type == "cpu" and args.bfloat16:
        networks.thrifty(unet, text)
    denoise = torch.compile(unet.forward) if args.compile else unet.forward
    alphas = scheduler().alphas_cumprod.to(run.device)
    total, count = 0.0, 0
    for step in range(first, args.unet_steps + 1):
        over = run.over(step, args.unet_steps)
        if step % args.every == 0 or over:
            run.log(step, loss=total / max(1, count), rate=run.rate(step, args.unet_steps, args.unet_rate))
            _keep(run, step, model, average, optimizers)
            total, count = 0.0, 0
            if run.rank == 0 and step > first and (step % (args.every * 4) == 0 or over):
                _sheet(run, average.values)
        if over:
            break
        optim.set_rate(optimizers, run.rate(step, args.unet_steps, args.unet_rate))
        noise_rng = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        words_rng = random.Random(f"unet/{args.seed}/{step}")
        n = args.unet_batch
        picks = torch.randint(len(latents), (n,), generator=noise_rng)
        texts = ["" if words_rng.random() < args.dropout else data.caption_of(args.seed, int(i), step) for i in picks]
        mean, deviation = latents[picks].float().chunk(2, dim=1)
        x0 = ((mean + deviation * torch.randn(mean.shape, generator=noise_rng)) * scale).to(run.device)
        noise = torch.randn(mean.shape, generator=noise_rng).to(run.device)
        # One time from each n-th of the schedule: less variance than n free ones.
        t = ((torch.arange(n) + torch.rand(n, generator=noise_rng)) * (1000 / n)).long().to(run.device)
        a = alphas[t].view(-1, 1, 1, 1)
        noisy, velocity = a.sqrt() * x0 + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x0
        part = run.share(n)
        noisy, velocity, t, a, texts = noisy[part], velocity[part], t[part], a[part], texts[part]
        with run.autocast():
            context = text(_ids(run, tokenizer, texts)).last_hidden_state  # [n, 77, 128]
            guess = denoise(noisy.contiguous(memory_format=torch.channels_last), t, context).sample
        snr = a / (1 - a)
        loss = (snr.clamp(max=5) / (snr + 1) * (guess.float() - velocity).square()).mean()
        loss.backward()
        run.agree(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        average.update(model)
        total, count = total + loss.item(), count + 1


# --- Export --------------------------------------------------------------------------------------


def export(run: Run) -> None:
    """Writes the diffusers folder: float16 weights under the published file and tensor names."""
    pipe, out = pipeline(run, run.load("unet")["average"]), Path(run.args.out)
    pipe.to("cpu", torch.float16)
    pipe.unet.save_pretrained(out / "unet")
    pipe.vae.save_pretrained(out / "vae")
    pipe.scheduler.save_pretrained(out / "scheduler")
    text = out / "text_encoder"
    pipe.text_encoder.save_pretrained(text)
    # Newer transformers drop the published prefix; older ones and other engines expect it, all read it.
    tensors = load_file(text / "model.safetensors")
    named = {k if k.startswith("text_model.") else f"text_model.{k}": v.contiguous() for k, v in tensors.items()}
    save_file(named, text / "model.safetensors", metadata={"format": "pt"})
    shutil.copytree(run.work / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    index: dict[str, object] = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.21.0"}
    index |= {"feature_extractor": [None, None], "requires_safety_checker": False, "safety_checker": [None, None]}
    index |= {"scheduler": ["diffusers", "DPMSolverMultistepScheduler"], "text_encoder": ["transformers", "CLIPTextModel"]}
    index |= {"tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (out / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    for config in out.glob("*/config.json"):  # where it was trained is nobody's concern
        values = {k: v for k, v in json.loads(config.read_text()).items() if k != "_name_or_path"}
        if "dtype" in values:  # transformers would compute in the files' float16 beside diffusers' float32 networks
            values["dtype"] = "float32"
        config.write_text(json.dumps(values, indent=2) + "\n")
    size = sum(p.stat().st_size for p in out.glob("*/*") if p.suffix in (".safetensors", ".json", ".txt"))
    print(f"{size / 1e6:.1f} MB in {out}", flush=True)


def adopt(run: Run) -> None:
    """An exported folder's weights as the checkpoints of its stages, at step 0: how shipped weights are trained further."""
    source = Path(run.args.adopt)
    pipe = StableDiffusionPipeline.from_pretrained(source, torch_dtype=torch.float32)
    shutil.copytree(source / "tokenizer", run.work / "tokenizer", dirs_exist_ok=True)
    text = pipe.text_encoder.state_dict()
    joint = {f"unet.{k}": v for k, v in pipe.unet.state_dict().items()} | {f"text.{k}": v for k, v in text.items()}
    for stage, values in (("autoencoder", pipe.vae.state_dict()), ("text", {f"encoder.{k}": v for k, v in text.items()}), ("unet", joint)):
        # half a million steps of averaging behind it: the first new steps do not wash it away
        Run(run.args, stage).save(step=0, model=values, average=values, average_steps=500_000, optimizers=[])
    Run(run.args, "latents").save(latents=torch.empty(0, 8, 16, 16), scale=pipe.vae.config.scaling_factor)


# --- Command line --------------------------------------------------------------------------------


def _arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("stage", choices=("all", "adopt", *STAGES))
    p.add_argument("--work", default="work", help="pictures, checkpoints, logs and sample sheets (default: work)")
    p.add_argument("--out", default=str(HERE), help="where export writes the diffusers folder (default: beside this script)")
    p.add_argument("--adopt", default=str(HERE), help="the exported folder that the stage `adopt` takes weights from (default: beside this script)")
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
    p.add_argument("--freeze-encoder", action="store_true", help="train the decoder alone: stored latents stay valid")
    p.add_argument("--text-steps", type=int, default=800)
    p.add_argument("--text-batch", type=int, default=64)
    p.add_argument("--text-rate", type=float, default=2e-3)
    p.add_argument("--unet-steps", type=int, default=4000)
    p.add_argument("--unet-batch", type=int, default=48)
    p.add_argument("--unet-rate", type=float, default=2e-3)
    p.add_argument("--freeze-text", action="store_true", help="keep the warmed-up text encoder as it is: a fifth off each step")
    p.add_argument("--decay", type=float, default=0.998, help="of the moving average of the weights")
    p.add_argument("--minutes", type=float, default=0, help="end a stage of training after so long, however many steps that was")
    p.add_argument("--fall", type=float, default=0.35, help="last share of the steps, or of the minutes, over which the learning rate falls")
    p.add_argument("--dropout", type=float, default=0.1, help="share of empty captions, for guidance")
    return p.parse_args()


def main() -> None:
    args = _arguments()
    stages = {"tokenizer": train_tokenizer, "autoencoder": train_autoencoder, "latents": encode_latents, "text": train_text,
              "unet": train_unet, "export": export, "adopt": adopt}  # fmt: skip
    for stage in STAGES if args.stage == "all" else (args.stage,):
        if stage == "render":
            data.render(Path(args.work) / "pictures", args.seed, args.pictures, args.workers)
        else:
            stages[stage](Run(args, stage))


if __name__ == "__main__":
    main()
