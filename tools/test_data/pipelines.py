"""Whole runs of diffusers' pipelines: prompt, and perhaps picture and mask, to final latents and picture."""
import diffusers
import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline

from . import images
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
    # as SD-Turbo is drawn with (Sauer et al., 2023)
    "turbo_one_step": ("tiny-sd15", "EulerDiscreteScheduler", dict(timestep_spacing="trailing"), dict(num_inference_steps=1, guidance_scale=0.0, negative_prompt=None)),
    "turbo_two_steps_ancestral": ("tiny-sd15", "EulerAncestralDiscreteScheduler", dict(timestep_spacing="trailing"), dict(num_inference_steps=2, guidance_scale=0.0, negative_prompt=None)),
    "v_prediction_ddim": ("tiny-sd21", "DDIMScheduler", {}, {}),
    "v_prediction_euler": ("tiny-sd21", "EulerDiscreteScheduler", {}, {}),
    "v_prediction_dpmpp_2m_karras": ("tiny-sd21", "DPMSolverMultistepScheduler", KARRAS, {}),
    "v_prediction_clip_skip_2": ("tiny-sd21", "DDIMScheduler", {}, dict(clip_skip=2)),
}


# case -> checkpoint, scheduler, changes to its config, changes to the call; "picture" is its size
IMAGE_TO_IMAGE = {
    "strength_0.3": ("tiny-sd15", "DDIMScheduler", {}, dict(strength=0.3)),
    "strength_0.75": ("tiny-sd15", "PNDMScheduler", {}, dict(strength=0.75)),
    "strength_1": ("tiny-sd15", "DDIMScheduler", {}, dict(strength=1.0)),
    "default_strength": ("tiny-sd15", "DDIMScheduler", {}, {}),
    "euler_karras": ("tiny-sd15", "EulerDiscreteScheduler", KARRAS, dict(strength=0.3)),
    "euler_a": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, dict(strength=0.75)),
    "heun": ("tiny-sd15", "HeunDiscreteScheduler", {}, dict(strength=0.75)),
    "kdpm2": ("tiny-sd15", "KDPM2DiscreteScheduler", {}, dict(strength=0.6)),
    "kdpm2_a": ("tiny-sd15", "KDPM2AncestralDiscreteScheduler", {}, dict(strength=0.6)),
    "lms": ("tiny-sd15", "LMSDiscreteScheduler", {}, dict(strength=0.75)),
    "dpmpp_2m_karras": ("tiny-sd15", "DPMSolverMultistepScheduler", KARRAS, dict(strength=0.75)),
    "dpmpp_2s": ("tiny-sd15", "DPMSolverSinglestepScheduler", {}, dict(strength=0.7)),
    "unipc": ("tiny-sd15", "UniPCMultistepScheduler", {}, dict(strength=0.75)),
    "deis": ("tiny-sd15", "DEISMultistepScheduler", {}, dict(strength=0.5)),
    "ddpm": ("tiny-sd15", "DDPMScheduler", {}, dict(strength=0.5)),
    "lcm": ("tiny-sd15", "LCMScheduler", {}, dict(strength=0.5, guidance_scale=1.0)),
    "three_images": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, dict(strength=0.5, num_images_per_prompt=3)),
    "two_generators": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, dict(strength=0.5, num_images_per_prompt=2, generators=2)),
    "odd_size": ("tiny-sd15", "DDIMScheduler", {}, dict(strength=0.6, picture=(75, 58))),
    "no_guidance_eta": ("tiny-sd15", "DDIMScheduler", {}, dict(strength=0.6, guidance_scale=1.0, eta=0.5)),
    "v_prediction": ("tiny-sd21", "DDIMScheduler", {}, dict(strength=0.6)),
    "v_prediction_euler": ("tiny-sd21", "EulerDiscreteScheduler", {}, dict(strength=0.6)),
}
INPAINT = {
    "four_channels": ("tiny-sd15", "DDIMScheduler", {}, {}),
    "four_channels_pndm": ("tiny-sd15", "PNDMScheduler", {}, {}),
    "four_channels_euler_a": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, {}),
    "four_channels_euler_a_strength_0.6": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, dict(strength=0.6)),
    "four_channels_heun": ("tiny-sd15", "HeunDiscreteScheduler", {}, dict(strength=0.75)),
    "four_channels_lms": ("tiny-sd15", "LMSDiscreteScheduler", {}, {}),
    "four_channels_dpmpp_2m_karras": ("tiny-sd15", "DPMSolverMultistepScheduler", KARRAS, dict(strength=0.75)),
    "four_channels_unipc": ("tiny-sd15", "UniPCMultistepScheduler", {}, dict(strength=0.3)),
    "four_channels_ddpm_two_images": ("tiny-sd15", "DDPMScheduler", {}, dict(strength=0.6, num_images_per_prompt=2)),
    "four_channels_odd_size": ("tiny-sd15", "DDIMScheduler", {}, dict(picture=(75, 58))),
    "four_channels_no_guidance": ("tiny-sd15", "EulerDiscreteScheduler", {}, dict(strength=0.75, guidance_scale=1.0)),
    "four_channels_crop": ("tiny-sd15", "EulerAncestralDiscreteScheduler", {}, dict(strength=0.75, padding_mask_crop=5, picture=(113, 78))),
    "four_channels_v_prediction": ("tiny-sd21", "DDIMScheduler", {}, dict(strength=0.75)),
    "nine_channels": ("tiny-inpaint", "DDIMScheduler", {}, {}),
    "nine_channels_euler_a": ("tiny-inpaint", "EulerAncestralDiscreteScheduler", {}, {}),
    "nine_channels_euler_a_strength_0.6": ("tiny-inpaint", "EulerAncestralDiscreteScheduler", {}, dict(strength=0.6)),
    "nine_channels_dpmpp_2m_karras_two_images": ("tiny-inpaint", "DPMSolverMultistepScheduler", KARRAS, dict(num_images_per_prompt=2)),
    "nine_channels_heun_no_guidance": ("tiny-inpaint", "HeunDiscreteScheduler", {}, dict(strength=0.75, guidance_scale=1.0)),
    "nine_channels_odd_size": ("tiny-inpaint", "PNDMScheduler", {}, dict(picture=(75, 58))),
    "nine_channels_crop": ("tiny-inpaint", "DDIMScheduler", {}, dict(padding_mask_crop=8, picture=(113, 78))),
}


def add_text_to_image(store, folder):
    for label, case in CASES.items():
        add(store, folder, f"text_to_image/{label}", StableDiffusionPipeline, case, PLAIN, {})


def add_image_to_image(store, folder):
    plain = {k: v for k, v in PLAIN.items() if k not in ("height", "width")} | {"num_inference_steps": 6}
    for label, case in IMAGE_TO_IMAGE.items():
        add(store, folder, f"image_to_image/{label}", StableDiffusionImg2ImgPipeline, case, plain, {"image": images.picture})


def add_inpaint(store, folder):
    plain = PLAIN | {"height": 48, "width": 64}
    for label, case in INPAINT.items():
        add(store, folder, f"inpaint/{label}", StableDiffusionInpaintPipeline, case, plain, {"image": images.picture, "mask_image": images.mask})


def add(store, folder, name, pipeline_class, case, plain, makers):
    """One case: run in float32, and in float64 for the tolerance."""
    checkpoint, scheduler, changes, arguments = case
    call = plain | arguments
    settings = call | {"seed": SEED}
    size, generators = call.pop("picture", (64, 48)), call.pop("generators", None)
    inputs = {key: make(*size) for key, make in makers.items()}
    runs = [run(pipeline(pipeline_class, folder / checkpoint, scheduler, changes, double), call | inputs, generators) for double in (False, True)]
    (latents, noise, config, picture), (better, *_) = runs
    settings.pop("picture", None)
    store.add(name, settings | {"scheduler": config}, {key: images.array(image) for key, image in inputs.items()},
              {"latents": latents, "picture": picture, "drawn_0": noise},
              {"latents": tolerance(latents, [better], floor=2e-5), "picture": {"atol": 1, "share": 0.999}}, checkpoint=checkpoint)


def pipeline(pipeline_class, folder, scheduler, changes, double, **parts):
    p = pipeline_class.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None, feature_extractor=None, **parts)
    p.scheduler = getattr(diffusers, scheduler).from_config(p.scheduler.config, **changes)
    p.set_progress_bar_config(disable=True)
    for network in (p.unet, p.vae, p.text_encoder) if double else ():
        network.double()
    if not hasattr(p.text_encoder, "text_model"):
        vars(p.text_encoder)["text_model"] = p.text_encoder  # clip_skip asks for this name, which transformers 5 dropped
    return p


def run(p, call, generators=None):
    drawn, last = [], {}

    def keep(_, step, timestep, values):
        last.update(values)
        return values

    generator = torch.Generator().manual_seed(SEED) if generators is None else [torch.Generator().manual_seed(SEED + k) for k in range(generators)]
    with torch.no_grad(), drawing_in_float32(drawn):
        made = p(**call, generator=generator, callback_on_step_end=keep, output_type="pil" if "padding_mask_crop" in call else "latent").images
        latents = last["latents"]
        if "padding_mask_crop" not in call:
            assert torch.equal(latents, made)
            made = p.image_processor.postprocess(p.vae.decode(latents / p.vae.config.scaling_factor).sample)
    return latents, drawn[0] if drawn else None, config_of(p.scheduler), torch.from_numpy(np.stack([np.asarray(image) for image in made]))
