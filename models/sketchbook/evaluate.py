"""Measures Sketchbook: does the judge find in the pictures what the prompts say?

    python evaluate.py judge --work work           # train the judge on renders, report it on held-out ones
    python evaluate.py prompts --to prompts.txt    # the 300 held-out prompts, one a line
    python evaluate.py draw --to pictures --guidance 5    # draw them with the engine, 000.png ...
    python evaluate.py draw --to pictures --engine diffusers
    python evaluate.py score pictures              # judge a folder of 000.png ..., whoever drew them
    python evaluate.py sheet --to sheet.png        # four scenes in four styles, drawn by the engine
    python evaluate.py redraw --to pictures --strength 0.4    # renders into another style, by the engine; scored too
    python evaluate.py inpaint --to pictures       # one coloured shape of a render into another; scored too
    python evaluate.py vae                         # the autoencoder's PSNR on held-out renders
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from judge import CELL_HEADS, HEADS, LAYERS, WEIGHTS, WINDOWS, Judge, Verdict
from painter import contact_sheet, paint
from world import COLOURS, PLACES, SHAPES, STYLES, SUBJECTS, TIMES, Spec, caption, sample_spec

HERE = Path(__file__).resolve().parent
BUILT = HERE.parents[1] / "build" / "release" / "cli" / "impasto"
PROMPTS = 300


def held_out_prompts(count: int = PROMPTS) -> list[tuple[Spec, str]]:
    """Prompts about combinations that training never saw, each naming all that is judged."""
    out = []
    for k in range(count):
        rng = random.Random(f"prompt {k}")
        spec = sample_spec(rng, held_out=True)
        out.append((spec, caption(spec, rng, full=True)))
    return out


def labels(spec: Spec) -> list[int]:
    """Class numbers in the order of judge.HEADS, then shape and colour of the nine cells."""
    cells = {(t.row, t.column): t for t in spec.things}
    row = [SUBJECTS.index(spec.subject), STYLES.index(spec.style), TIMES.index(spec.time) if spec.subject != "objects" else len(TIMES)]
    row += [COLOURS.index(spec.colour) + 1 if spec.colour else 0, spec.count]
    for cell in ((r, c) for r in range(3) for c in range(3)):
        thing = cells.get(cell)
        row += [SHAPES.index(thing.shape) + 1, COLOURS.index(thing.colour) + 1] if thing else [0, 0]
    return row


# --- Scores --------------------------------------------------------------------------------------


def _marks(spec: Spec, seen: Verdict) -> dict[str, list[bool]]:
    """What the judge found of what the prompt names; a prompt without, say, a colour adds no mark for it."""
    marks: dict[str, list[bool]] = {"style": [seen.style == spec.style]}
    if spec.subject != "objects":
        marks["subject"] = [seen.subject == spec.subject]
        marks["time"] = [seen.time == spec.time]
        if spec.colour:
            marks["colour"] = [seen.colour == spec.colour]
        if spec.subject == "sea":
            marks["count"] = [seen.count == spec.count]
        return marks
    shapes = [shape for shape, _ in seen.cells]
    marks["subject"] = [seen.subject == "objects" and all(t.shape in shapes for t in spec.things)]
    marks["colour"] = [(t.shape, t.colour) in seen.cells for t in spec.things[:2]]
    marks["place"] = [seen.cells[t.row * 3 + t.column][0] == t.shape for t in spec.things[:2]]
    marks["count"] = [sum(s != "" for s in shapes) == len(spec.things)]
    return marks


def score(specs: list[Spec], pictures: list[np.ndarray], judge: Judge) -> dict[str, float]:
    """Share of marks won, by what is judged; `all` is the share of pictures that win every mark."""
    won: dict[str, list[bool]] = {}
    for spec, picture in zip(specs, pictures):
        marks = _marks(spec, judge.look(picture))
        judged = [m for name in ("subject", "style", "colour", "place") for m in marks.get(name, [])]
        for name, values in (*marks.items(), ("all", [all(judged)])):
            won.setdefault(name, []).extend(values)
    return {name: round(float(np.mean(won[name])), 4) for name in ("subject", "style", "colour", "place", "time", "count", "all")}


def by_kind(specs: list[Spec], pictures: list[np.ndarray], judge: Judge) -> dict[str, float]:
    """The subject's score for each subject, where weaknesses show."""
    kinds: dict[str, list[bool]] = {}
    for spec, picture in zip(specs, pictures):
        kinds.setdefault(spec.subject, []).extend(_marks(spec, judge.look(picture))["subject"])
    return {name: round(float(np.mean(v)), 3) for name, v in sorted(kinds.items())}


# --- The judge's training ------------------------------------------------------------------------


def train_judge(args: argparse.Namespace) -> None:
    """Convolutions with batch normalization, folded away when saved; renders are blurred, tinted and grained."""
    import torch
    import torch.nn.functional as F
    from safetensors.torch import save_file

    import data
    from optim import rate

    torch.manual_seed(0)
    convs, norms, width = torch.nn.ModuleList(), torch.nn.ModuleList(), 3
    for channels, stride in LAYERS:
        convs.append(torch.nn.Conv2d(width, channels, 3, stride, 1, bias=False))
        norms.append(torch.nn.BatchNorm2d(channels))
        width = channels
    whole, cell = torch.nn.Linear(2 * width, sum(HEADS.values())), torch.nn.Linear(2 * width, sum(CELL_HEADS.values()))
    model = torch.nn.ModuleList([convs, norms, whole, cell]).to(memory_format=torch.channels_last)

    def pool(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)

    def forward(x: torch.Tensor) -> list[torch.Tensor]:
        for conv, norm in zip(convs, norms):
            with torch.autocast("cpu", torch.bfloat16):  # a third of the time
                x = F.relu(norm(conv(x)))
        x = x.float()
        parts = list(whole(pool(x)).split(list(HEADS.values()), dim=1))
        for r0, r1 in WINDOWS:
            for c0, c1 in WINDOWS:
                parts += cell(pool(x[:, :, r0:r1, c0:c1])).split(list(CELL_HEADS.values()), dim=1)
        return parts

    pictures, rng = data.Pictures(Path(args.work) / "pictures"), np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    for step in range(args.steps):
        optimizer.param_groups[0]["lr"] = rate(step, args.steps, 3e-3, warmup=50, decay=0.6)
        picks = rng.integers(0, len(pictures), 64)
        x = torch.from_numpy(np.stack([pictures[int(i)] for i in picks])).permute(0, 3, 1, 2).float() / 127.5 - 1
        x = x.contiguous(memory_format=torch.channels_last)
        if rng.random() < 0.5:  # a picture decoded from latents is softer than a render
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        x = x * (1 + 0.06 * torch.randn(64, 1, 1, 1)) + 0.04 * torch.randn(64, 3, 1, 1) + 0.06 * rng.random() * torch.randn_like(x)
        want = torch.tensor([labels(data.spec_of(args.seed, int(i))) for i in picks])
        loss = sum(F.cross_entropy(p, want[:, k], label_smoothing=0.02) for k, p in enumerate(forward(x)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(json.dumps({"step": step, "loss": round(loss.item(), 4)}), flush=True)
    tensors = {"whole.weight": whole.weight, "whole.bias": whole.bias, "cell.weight": cell.weight, "cell.bias": cell.bias}
    for k, (conv, norm) in enumerate(zip(convs, norms)):
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        tensors |= {f"conv{k}.weight": conv.weight * gain.view(-1, 1, 1, 1), f"conv{k}.bias": norm.bias - norm.running_mean * gain}
    save_file({k: v.detach().half().contiguous() for k, v in tensors.items()}, WEIGHTS)


def judge_accuracy(count: int = 1000) -> dict[str, float]:
    """The judge's own scores on held-out renders."""
    specs = [sample_spec(random.Random(f"judge {k}"), held_out=True) for k in range(count)]
    return score(specs, [paint(s) for s in specs], Judge())


# --- Drawing -------------------------------------------------------------------------------------


def draw(args: argparse.Namespace) -> None:
    """Draws the prompts into args.to, by the engine's command or by diffusers; picture k uses seed k."""
    target = Path(args.to)
    target.mkdir(parents=True, exist_ok=True)
    prompts = [text for _, text in held_out_prompts(args.first + args.count)[args.first :]]
    (_draw_with_diffusers if args.engine == "diffusers" else _draw_with_command)(args, prompts, target)
    print(f"{len(prompts)} pictures in {target}")


def _draw_with_command(args: argparse.Namespace, prompts: list[str], target: Path) -> None:
    for k, prompt in enumerate(prompts):
        _command(args, prompt, args.first + k, target / f"{k:03d}.png")


def _command(args: argparse.Namespace, prompt: str, seed: int, to: Path, *more: str) -> np.ndarray:
    """The picture that `impasto generate` draws; it stays in the file `to`."""
    options = ["--model", args.model, "--steps", str(args.steps_drawn), "--guidance-scale", str(args.guidance), "--quiet", *more]
    options += ["--threads", str(args.threads)] if args.threads else []
    subprocess.run([args.engine, "generate", prompt, *options, "--seed", str(seed), "-o", str(to)], check=True, stdout=subprocess.DEVNULL)
    return np.asarray(Image.open(to).convert("RGB"))


def _draw_with_diffusers(args: argparse.Namespace, prompts: list[str], target: Path) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    if args.threads:
        torch.set_num_threads(args.threads)
    pipe = StableDiffusionPipeline.from_pretrained(args.model, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    for k in range(0, len(prompts), 20):
        seeds = [torch.Generator().manual_seed(i) for i in range(args.first + k, args.first + min(k + 20, len(prompts)))]
        images = pipe(prompts[k : k + 20], num_inference_steps=args.steps_drawn, guidance_scale=args.guidance, generator=seeds).images
        for i, image in enumerate(images):
            image.save(target / f"{k + i:03d}.png")


SHEET_SCENES = ("a city skyline at sunset", "two boats with red sails on the sea at noon", "a blue house on a hill under a full moon",
                "a bridge over a river at sunrise")  # fmt: skip
SHEET_STYLES = ("", " by J. M. W. Turner", " in the style of Van Gogh", " in the style of Joan Miró")


def sheet(args: argparse.Namespace) -> None:
    """Four scenes by four styles, drawn by the engine with one seed, as one picture in the file args.to."""
    target = Path(args.to).with_suffix(".part.png")
    pictures = [_command(args, scene + style, args.seed, target) for scene in SHEET_SCENES for style in SHEET_STYLES]
    target.unlink()
    contact_sheet(pictures, len(SHEET_STYLES)).save(args.to, optimize=True)


# --- Pictures from pictures ----------------------------------------------------------------------


def _layout(picture: np.ndarray) -> np.ndarray:
    """Brightness of 8 x 8 blocks, [256]: what stands where, whatever the strokes."""
    return picture.astype(np.float32).mean(2).reshape(16, 8, 16, 8).mean((1, 3)).ravel()


def redraw(args: argparse.Namespace) -> dict[str, float]:
    """Picture to picture: renders prompted into another style. Shares that show the new style and still the subject
    (with each shape in its place); mean correlation of brightness with the render."""
    target, judge, marks = Path(args.to), Judge(), []
    target.mkdir(parents=True, exist_ok=True)
    for k in range(args.count):
        rng = random.Random(f"redraw {k}")
        before = sample_spec(rng, held_out=True)
        after = replace(before, style=rng.choice([s for s in STYLES if s != before.style]))
        render = paint(before)
        Image.fromarray(render).save(target / f"{k:03d}_from.png")
        got = _command(args, caption(after, rng, full=True), k, target / f"{k:03d}.png", "--image", str(target / f"{k:03d}_from.png"), "--strength", str(args.strength))
        seen = judge.look(got)
        kept = seen.subject == after.subject and all(seen.cells[t.row * 3 + t.column][0] == t.shape for t in after.things)
        marks.append((seen.style == after.style, kept, np.corrcoef(_layout(render), _layout(got))[0, 1]))
    return dict(zip(("style", "subject and place", "correlation"), np.mean(marks, axis=0).round(3).tolist()))


def inpaint(args: argparse.Namespace) -> dict[str, float]:
    """Repaints the lone shape of a render as another shape in another colour. Shares that show the new shape, the new colour,
    both; and the largest change outside the mask's rim of 8 pixels, of 255."""
    target, judge, marks, outside = Path(args.to), Judge(), [], 0
    target.mkdir(parents=True, exist_ok=True)
    for k in range(args.count):
        rng = random.Random(f"inpaint {k}")
        before = next(s for s in iter(lambda: sample_spec(rng, objects=1.0), None) if s.place in PLACES and len(s.things) == 1)
        (old,) = before.things
        new = replace(old, shape=rng.choice([s for s in SHAPES if s != old.shape]), colour=rng.choice([c for c in COLOURS if c != old.colour]))
        y, x = (64 + 35 * (place - 1) for place in (old.row, old.column))
        mask, rim = np.zeros((2, 128, 128), bool)
        mask[max(0, y - 42) : y + 42, max(0, x - 42) : x + 42] = True
        rim[max(0, y - 50) : y + 50, max(0, x - 50) : x + 50] = True
        render, stem = paint(before), str(target / f"{k:03d}")
        Image.fromarray(render).save(f"{stem}_from.png")
        Image.fromarray(mask).convert("L").save(f"{stem}_mask.png")
        got = _command(args, caption(replace(before, things=(new,)), rng, full=True), k, Path(f"{stem}.png"), "--image", f"{stem}_from.png", "--mask", f"{stem}_mask.png")
        shape, colour = judge.look(got).cells[new.row * 3 + new.column]
        marks.append((shape == new.shape, colour == new.colour, (shape, colour) == (new.shape, new.colour)))
        outside = max(outside, int(np.abs(got.astype(int) - render)[~rim].max()))
    return dict(zip(("shape", "colour", "both"), np.mean(marks, axis=0).round(3).tolist())) | {"outside": outside}


def vae_psnr(model: str, count: int = 200) -> dict[str, float]:
    """Mean PSNR in dB over held-out renders, and by style."""
    import torch
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(model, subfolder="vae", torch_dtype=torch.float32)
    specs = [sample_spec(random.Random(f"vae {k}"), held_out=True) for k in range(count)]
    values: dict[str, list[float]] = {}
    for spec in specs:
        x = torch.from_numpy(paint(spec)).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        for name in ("mean", spec.style):
            values.setdefault(name, []).append(10 * np.log10(4 / (x - y).square().mean().item()))
    return {name: round(float(np.mean(v)), 2) for name, v in values.items()}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("judge", "prompts", "draw", "score", "sheet", "redraw", "inpaint", "vae"))
    p.add_argument("pictures", nargs="?", help="score: the folder of 000.png ...")
    p.add_argument("--model", default=str(HERE))
    p.add_argument("--work", default="work", help="where train.py rendered its pictures")
    p.add_argument("--seed", type=int, default=0, help="of the rendered pictures; sheet: of the drawing")
    p.add_argument("--steps", type=int, default=2000, help="judge: training steps")
    p.add_argument("--steps-drawn", type=int, default=30)
    p.add_argument("--guidance", type=float, default=5.0)
    p.add_argument("--strength", type=float, default=0.4, help="redraw: how far from the picture")
    p.add_argument("--count", type=int, default=PROMPTS)
    p.add_argument("--first", type=int, default=0, help="the number of the first prompt: other held-out ones than development looked at")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--engine", default=str(BUILT) if BUILT.exists() else shutil.which("impasto") or "diffusers",
                   help="what draws: the path of an impasto command, or diffusers (default: %(default)s)")  # fmt: skip
    p.add_argument("--to", default="pictures")
    args = p.parse_args()
    if args.what == "judge":
        if args.threads:
            import torch

            torch.set_num_threads(args.threads)
        train_judge(args)
        print(json.dumps(judge_accuracy()))
    elif args.what == "prompts":
        Path(args.to).write_text("".join(text + "\n" for _, text in held_out_prompts()), encoding="utf-8")
    elif args.what == "draw":
        draw(args)
    elif args.what == "sheet":
        sheet(args)
    elif args.what in ("redraw", "inpaint"):
        print(json.dumps(redraw(args) if args.what == "redraw" else inpaint(args)))
    elif args.what == "vae":
        print(json.dumps(vae_psnr(args.model)))
    else:
        pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(Path(args.pictures).glob("*.png"))]
        specs = [spec for spec, _ in held_out_prompts(args.first + len(pictures))][args.first :]
        print(json.dumps({"scores": score(specs, pictures, Judge()), "subjects": by_kind(specs, pictures, Judge())}))


if __name__ == "__main__":
    main()
