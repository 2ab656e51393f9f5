"""Whole runs of diffusers' pipeline: prompt to final latents and picture."""
import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from .checkpoints import SIDE
from .schedulers import config_of
from .store import drawing_in_float32, tolerance

PLAIN = dict(prompt="a quiet sea at sunset with three orange boats", negative_prompt="blurry, bad quality", num_inference_steps=4, guidance_scale=6.5,
             height=SIDE, width=SIDE)
SEED = 2024
KARRAS = dict(use_karras_sigmas=True)

# case -> checkpoint, scheduler, changes to its config, changes to PLAIN
CASES = {
    "plain_pndm": ("tiny-sd15", "PNDMScheduler", {}, {}),
    "plain_ddim": ("tiny-sd15", "DDIMScheduler", {}, {}),
    "plain_euler": ("tiny-sd15", "EulerDiscreteScheduler", {}, {}),
    "plain_euler_a": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, {}),
    "dpmpp_2m_karras": ("tiny-sd15", "DPMSolverMultistepScheduler", KARRAS, dict(num_inference_steps=8)),
    "heun": ("tiny-sd15", "HeunDiscreteScheduler", {}, {}),
    "unipc": ("tiny-sd15", "UniPCMultistepScheduler", {}, {}),
    "lms": ("tiny-sd15", "LMSDiscreteScheduler", {}, {}),
    "no_guidance": ("tiny-sd15", "DDIMScheduler", {}, dict(guidance_scale=1.0)),
    "no_negative": ("tiny-sd15", "DDIMScheduler", {}, dict(negative_prompt=None)),
    "wide": ("tiny-sd15", "DDIMScheduler", {}, dict(width=136)),
    "tall": ("tiny-sd15", "PNDMScheduler", {}, dict(height=88, width=56)),
    "two_images": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, dict(num_images_per_prompt=2)),
    "guidance_rescale": ("tiny-sd15", "DDIMScheduler", {}, dict(guidance_rescale=0.6)),
    "clip_skip_1": ("tiny-sd15", "DDIMScheduler", {}, dict(clip_skip=1)),
    "eta_0.5": ("tiny-sd15", "DDIMScheduler", {}, dict(eta=0.5)),
    "long_prompt": ("tiny-sd15", "DDIMScheduler", {}, dict(prompt="a bridge over a river, " * 30)),
    "one_step": ("tiny-sd15", "EulerDiscreteScheduler", {}, dict(num_inference_steps=1)),
    "v_prediction_ddim": ("tiny-sd21", "DDIMScheduler", {}, {}),
    "v_prediction_euler": ("tiny-sd21", "EulerDiscreteScheduler", {}, {}),
    "v_prediction_dpmpp_2m_karras": ("tiny-sd21", "DPMSolverMultistepScheduler", KARRAS, {}),
    "v_prediction_clip_skip_2": ("tiny-sd21", "DDIMScheduler", {}, dict(clip_skip=2)),
}


def add_text_to_image(store, folder):
    for label, (checkpoint, scheduler, changes, arguments) in CASES.items():
        call = PLAIN | arguments
        runs = [run(pipeline(folder / checkpoint, scheduler, changes, double), call) for double in (False, True)]
        (latents, noise, config, picture), (better, *_) = runs
        settings = call | {"seed": SEED, "scheduler": config}
        store.add(f"text_to_image/{label}", settings, {}, {"latents": latents, "picture": picture, "drawn_0": noise},
                  {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=checkpoint)


def pipeline(folder, scheduler, changes, double):
    p = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None, feature_extractor=None)
    p.scheduler = getattr(diffusers, scheduler).from_config(p.scheduler.config, **changes)
    p.set_progress_bar_config(disable=True)
    for network in (p.unet, p.vae, p.text_encoder) if double else ():
        network.double()
    if not hasattr(p.text_encoder, "text_model"):
        vars(p.text_encoder)["text_model"] = p.text_encoder  # clip_skip asks for this name, which transformers 5 dropped
    return p


def run(p, call):
    drawn = []
    with torch.no_grad(), drawing_in_float32(drawn):
        latents = p(**call, generator=torch.Generator().manual_seed(SEED), output_type="latent").images
        decoded = p.vae.decode(latents / p.vae.config.scaling_factor).sample
    picture = np.stack([np.asarray(image) for image in p.image_processor.postprocess(decoded)])
    return latents, drawn[0], config_of(p.scheduler), torch.from_numpy(picture)
