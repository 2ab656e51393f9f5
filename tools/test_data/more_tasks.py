"""Hires fix, guess mode, TAESD, models that edit: each as diffusers' own parts do it."""
import json
import re
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import (AutoencoderTiny, ControlNetModel, StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline,
                       StableDiffusionImg2ImgPipeline, StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline, UNet2DConditionModel)
from diffusers.loaders import single_file_utils as diffusers_reader
from safetensors.torch import load_file

from . import images
from .checkpoints import unet_config, with_random_weights
from .networks import in_both_precisions
from .pipelines import PLAIN, SEED, pipeline, run
from .single_files import replaced, unet_name
from .store import seeded, tolerance

CHECKPOINT = "tiny-sd15"

# case -> scheduler, scale, steps of the second pass that are run, strength, images
HIRES = {
    "ddim": ("DDIMScheduler", 1.5, 3, 0.6, 1),
    "euler_a_two_images": ("EulerAncestralDiscreteScheduler", 2.0, 2, 0.5, 2),
    "as_many_steps": ("DPMSolverMultistepScheduler", 1.25, 4, 0.8, 1),
}
# case -> scales, changes to the call
GUESS = {"guess_mode": ([0.8], {}), "guess_mode_two": ([0.7, 0.4], {}), "guess_mode_without_guidance": ([0.8], dict(guidance_scale=1.0))}


def add_hires(store, models):
    """Text to latents, torch's bilinear interpolation, picture to picture from there with the same seed."""
    for label, (scheduler, scale, steps, strength, count) in HIRES.items():
        total, side = int(steps / strength), int(96 * scale) // 8 * 8
        runs = []
        for double in (False, True):
            first = pipeline(StableDiffusionPipeline, models / CHECKPOINT, scheduler, {}, double)
            second = pipeline(StableDiffusionImg2ImgPipeline, models / CHECKPOINT, scheduler, {}, double)
            call = PLAIN | {"num_images_per_prompt": count}
            latents = run(first, call)[0]
            large = torch.nn.functional.interpolate(latents, size=(side // 8, side // 8), mode="bilinear", antialias=False)
            call = {k: v for k, v in PLAIN.items() if k not in ("height", "width")}
            # diffusers takes several latents for as many prompts
            call |= {"num_inference_steps": total, "strength": strength, "prompt": [PLAIN["prompt"]] * count, "negative_prompt": [PLAIN["negative_prompt"]] * count}
            runs.append(run(second, call | {"image": large}))
        (latents, _, config, drawn), (better, *_) = runs
        settings = PLAIN | {"seed": SEED, "scheduler": config, "num_images_per_prompt": count, "hires": dict(scale=scale, steps=steps, strength=strength)}
        store.add(f"hires/{label}", settings, {}, {"latents": latents, "picture": drawn},
                  {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=CHECKPOINT)


def add_guess_mode(store, models, folder):
    for label, (scales, changes) in GUESS.items():
        edges = [images.picture(70 + 9 * k, 50).convert("L").convert("RGB") for k in range(len(scales))]
        one = lambda values: values[0] if len(values) == 1 else list(values)  # noqa: E731
        call, runs = PLAIN | changes, []
        for double in (False, True):
            nets = [ControlNetModel.from_pretrained(folder / "controlnet", torch_dtype=torch.float64 if double else torch.float32) for _ in scales]
            p = pipeline(StableDiffusionControlNetPipeline, models / CHECKPOINT, "DDIMScheduler", {}, double, controlnet=one(nets))
            for net in nets if double else ():
                net.double()
            runs.append(run(p, call | {"image": one(edges), "controlnet_conditioning_scale": one(scales), "guess_mode": True}))
        (latents, noise, config, drawn), (better, *_) = runs
        settings = call | {"seed": SEED, "scheduler": config, "controls": [dict(scale=s, start=0.0, end=1.0) for s in scales]}
        store.add(f"control/{label}", settings, {f"control_{k}": images.array(e) for k, e in enumerate(edges)}, {"latents": latents, "picture": drawn, "drawn_0": noise},
                  {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=CHECKPOINT)


HINT = [(r"conv_in\.", "0."), (r"blocks\.(\d)\.", lambda m: f"{2 * int(m[1]) + 2}."), (r"conv_out\.", "14.")]


def controlnet_name(name):
    if name.startswith("controlnet_cond_embedding."):
        return "input_hint_block." + replaced(name.removeprefix("controlnet_cond_embedding."), HINT)
    if match := re.match(r"controlnet_down_blocks\.(\d+)\.(.*)", name):
        return f"zero_convs.{match[1]}.0.{match[2]}"
    return name.replace("controlnet_mid_block.", "middle_block_out.0.") if name.startswith("controlnet_") else unet_name(name)


def make_controlnet_names(folder, out):
    """The table of a ControlNet's names in the original layout, which diffusers' converter takes back."""
    tensors = load_file(folder / "controlnet" / "diffusion_pytorch_model.safetensors")
    table = {name: "control_model." + controlnet_name(name) for name in tensors}
    config = ControlNetModel.load_config(folder / "controlnet")
    converted = diffusers_reader.convert_controlnet_checkpoint({table[name]: tensor for name, tensor in tensors.items()}, config)
    assert converted.keys() == tensors.keys() and all(torch.equal(converted[n].reshape(t.shape), t) for n, t in tensors.items()), converted.keys() ^ tensors.keys()
    (out / "controlnet.tsv").write_text("".join(f"{original}\t{name}\n" for name, original in sorted(table.items())))


def add_tiny_vae(store, folder):
    """A TAESD of few channels with random weights, and its two directions."""
    model = with_random_weights(AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4), 800)
    model.half().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    model = AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float32)
    for k, (h, w, n) in enumerate(((6, 5, 1), (3, 7, 2))):
        latents = 3 * seeded((n, 4, h, w), 8000 + k)
        out, allowed = in_both_precisions(model, lambda m, cast: {"image": m.decode(cast(latents)).sample})
        store.add(f"tiny_vae/decode_{h}x{w}_n{n}", {}, {"latents": latents}, out, allowed)
    image = seeded((2, 3, 24, 40), 8010).clamp(-2, 2) / 2
    out, allowed = in_both_precisions(model, lambda m, cast: {"encoded": m.encode(cast(image)).latents})
    store.add("tiny_vae/encode_24x40_n2", {}, {"image": image}, out, allowed)


# case -> scheduler, changes to the call; "generators" as in pipelines.py
EDIT = {
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "ddim_two_images": ("DDIMScheduler", dict(num_images_per_prompt=2, image_guidance_scale=2.5)),
    "two_generators": ("EulerDiscreteScheduler", dict(num_images_per_prompt=2, generators=2)),
    "without_guidance": ("DDIMScheduler", dict(image_guidance_scale=0.9)),
}


def add_edit(store, models, folder):
    """`folder` gets the UNet alone: all else of the checkpoint is tiny-sd15's."""
    unet = with_random_weights(UNet2DConditionModel(**unet_config(second=False, inpaint=False) | {"in_channels": 8}), 810)
    unet.half().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "tiny-edit"
        shutil.copytree(models / CHECKPOINT, whole)
        shutil.rmtree(whole / "unet")
        shutil.copytree(folder, whole / "unet")
        index = json.loads((whole / "model_index.json").read_text()) | {"_class_name": "StableDiffusionInstructPix2PixPipeline"}
        (whole / "model_index.json").write_text(json.dumps(index))
        for label, (scheduler, changes) in EDIT.items():
            call = {k: v for k, v in PLAIN.items() if k not in ("height", "width")} | {"image_guidance_scale": 1.5} | changes
            settings, generators = call | {"seed": SEED}, call.pop("generators", None)
            picture = images.picture(75, 58)
            runs = [run(pipeline(StableDiffusionInstructPix2PixPipeline, whole, scheduler, {}, double), call | {"image": picture}, generators) for double in (False, True)]
            (latents, noise, config, drawn), (better, *_) = runs
            store.add(f"edit/{label}", settings | {"scheduler": config}, {"image": images.array(picture)}, {"latents": latents, "picture": drawn, "drawn_0": noise},
                      {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=CHECKPOINT)


# case -> pipeline, scheduler, changes to the call
TOLD = {
    "lcm": (StableDiffusionPipeline, "LCMScheduler", dict(num_inference_steps=4, guidance_scale=8.0)),
    "lcm_two_images": (StableDiffusionPipeline, "LCMScheduler", dict(num_inference_steps=2, guidance_scale=3.5, num_images_per_prompt=2)),
    "ddim_unguided": (StableDiffusionPipeline, "DDIMScheduler", dict(guidance_scale=1.0)),
    "lcm_from_a_picture": (StableDiffusionImg2ImgPipeline, "LCMScheduler", dict(num_inference_steps=4, guidance_scale=8.5, strength=0.6)),
}


def add_told(store, models, folder):
    """Models that are told the guidance scale (time_cond_proj_dim), as latent consistency models are. `folder` gets the UNet alone: all else is tiny-sd15's."""
    small = dict(block_out_channels=(8, 16), layers_per_block=1, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"))
    unet = with_random_weights(UNet2DConditionModel(**unet_config(second=False, inpaint=False) | small | {"time_cond_proj_dim": 32}), 820)
    unet.half().save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "tiny-lcm"
        shutil.copytree(models / CHECKPOINT, whole)
        shutil.rmtree(whole / "unet")
        shutil.copytree(folder, whole / "unet")
        for label, (kind, scheduler, changes) in TOLD.items():
            picture = images.picture(72, 64)
            over = kind is StableDiffusionImg2ImgPipeline
            call = ({k: v for k, v in PLAIN.items() if k not in ("height", "width")} if over else PLAIN) | changes
            runs = [run(pipeline(kind, whole, scheduler, {}, double), call | ({"image": picture} if over else {})) for double in (False, True)]
            (latents, noise, config, drawn), (better, *_) = runs
            store.add(f"told/{label}", call | {"seed": SEED, "scheduler": config}, {"image": images.array(picture)} if over else {},
                      {"latents": latents, "picture": drawn, "drawn_0": noise},
                      {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=CHECKPOINT)


def add_control_inpaint(store, models, folder):
    """A ControlNet beside an inpainting model, whose UNet sees more than it does."""
    picture, mask, edges = images.picture(64, 48), images.mask(64, 48), images.picture(64, 48, 1.0).convert("L").convert("RGB")
    call, runs = PLAIN | {"height": 48, "width": 64, "strength": 1.0, "controlnet_conditioning_scale": 0.8}, []
    for double in (False, True):
        net = ControlNetModel.from_pretrained(folder / "controlnet", torch_dtype=torch.float32)
        p = pipeline(StableDiffusionControlNetInpaintPipeline, models / "tiny-inpaint", "DDIMScheduler", {}, double, controlnet=net.double() if double else net)
        runs.append(run(p, call | {"image": picture, "mask_image": mask, "control_image": edges}))
    (latents, noise, config, drawn), (better, *_) = runs
    settings = call | {"seed": SEED, "scheduler": config, "controls": [dict(scale=0.8, start=0.0, end=1.0)]}
    store.add("control/inpaint", settings, {"control_0": images.array(edges), "image": images.array(picture), "mask_image": images.array(mask)},
              {"latents": latents, "picture": drawn, "drawn_0": noise}, {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}},
              checkpoint="tiny-inpaint")
