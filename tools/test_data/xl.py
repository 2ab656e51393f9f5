"""Stable Diffusion XL: two small checkpoints, single passes of their networks, and whole runs of diffusers' pipelines.

tiny-sdxl is built as SDXL's base model: two text encoders, the second with a projection, no attention at the UNet's first level, several transformer
layers at the others, and the embedding of what a prompt comes to and of the picture's sizes. tiny-sdxl-refiner is built as its refiner: the
second text encoder alone, no attention at the last level, an aesthetic score. Both have networks of few channels with random weights.
"""
import json

import diffusers
import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from . import images, vocabulary
from .checkpoints import SIDE, text_config, vae_config, with_random_weights
from .networks import in_both_precisions, load
from .pipelines import KARRAS, SEED, run
from .store import seeded, tolerance

NAMES = BASE, REFINER = "tiny-sdxl", "tiny-sdxl-refiner"
ID_CHANNELS, PROJECTION, SECOND_WIDTH = 8, 24, 40
ADDED = {BASE: PROJECTION + 6 * ID_CHANNELS, REFINER: PROJECTION + 5 * ID_CHANNELS}


def make(folder):
    for i, name in enumerate(NAMES):
        make_one(folder / name, name, seed=1000 + 100 * i)


def make_one(folder, name, seed):
    base = name == BASE
    size = vocabulary.write(folder / "tokenizer_2", pad="!")
    second = text_config(True, size) | dict(hidden_size=SECOND_WIDTH, intermediate_size=80, projection_dim=PROJECTION)
    with_random_weights(CLIPTextModelWithProjection(CLIPTextConfig(**second)), seed).half().save_pretrained(folder / "text_encoder_2")
    if base:
        vocabulary.write(folder / "tokenizer", pad=vocabulary.END)
        with_random_weights(CLIPTextModel(CLIPTextConfig(**text_config(False, size))), seed + 1).half().save_pretrained(folder / "text_encoder")
    with_random_weights(UNet2DConditionModel(**unet_config(name)), seed + 2).half().save_pretrained(folder / "unet")
    vae = vae_config() | dict(block_out_channels=(8, 8, 8, 16), layers_per_block=1, scaling_factor=0.13025, force_upcast=True)
    with_random_weights(AutoencoderKL(**vae), 1003).half().save_pretrained(folder / "vae")
    EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading").save_pretrained(folder / "scheduler")
    write_index(folder, base)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def unet_config(name):
    if name == BASE:
        blocks = dict(block_out_channels=(8, 16, 16), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                      up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 1, 2), attention_head_dim=(1, 2, 2), layers_per_block=2)
    else:
        blocks = dict(block_out_channels=(8, 16, 16), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
                      up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=2, attention_head_dim=(1, 2, 2), layers_per_block=1)
    return blocks | dict(sample_size=SIDE // 8, norm_num_groups=8, use_linear_projection=True, addition_embed_type="text_time",
                         cross_attention_dim=SECOND_WIDTH + (32 if name == BASE else 0), addition_time_embed_dim=ID_CHANNELS,
                         projection_class_embeddings_input_dim=ADDED[name])


def write_index(folder, base):
    parts = {"scheduler": ("diffusers", "EulerDiscreteScheduler"), "text_encoder": ("transformers", "CLIPTextModel") if base else (None, None),
             "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"), "tokenizer": ("transformers", "CLIPTokenizer") if base else (None, None),
             "tokenizer_2": ("transformers", "CLIPTokenizer"), "unet": ("diffusers", "UNet2DConditionModel"), "vae": ("diffusers", "AutoencoderKL"),
             "feature_extractor": (None, None), "image_encoder": (None, None)}
    first = {"_class_name": "StableDiffusionXLPipeline" if base else "StableDiffusionXLImg2ImgPipeline", "_diffusers_version": diffusers.__version__,
             "force_zeros_for_empty_prompt": base}
    (folder / "model_index.json").write_text(json.dumps(first | ({} if base else {"requires_aesthetics_score": True}) | parts, indent=2) + "\n")


def add_networks(store, folder):
    texts = ["a painter looks at the dark water", "", "SEVEN boats?! \u6d77 7", "light " * 90]
    for part, cls in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
        model = load(cls, folder / BASE / part)
        tokenizer = CLIPTokenizer.from_pretrained(folder / BASE / part.replace("text_encoder", "tokenizer"))
        ids = tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids

        def call(m, cast):
            out = m(ids, output_hidden_states=True)
            return {"penultimate": out.hidden_states[-2], "before": out.hidden_states[-3]} | ({"pooled": out.text_embeds} if part == "text_encoder_2" else {})

        out, allowed = in_both_precisions(model, call)
        store.add(f"xl_text/{part}", {"part": part, "texts": texts}, {"input_ids": ids.to(torch.int32)}, out, allowed, checkpoint=BASE)
    for name in NAMES:
        model = load(UNet2DConditionModel, folder / name / "unet")
        for k, (h, w, n, t) in enumerate(((12, 12, 1, 621), (8, 16, 2, 41), (7, 5, 3, 961.5))):
            x, context, pooled = seeded((n, 4, h, w), 1000 + k), seeded((n, 77, model.config.cross_attention_dim), 2000 + k), seeded((n, PROJECTION), 3000 + k)
            time_ids = torch.tensor([[1024.0, 768.0 + 100 * i, 0.0, 16.0 * i, 512.0, 640.0] for i in range(n)])[:, : 6 if name == BASE else 5]

            def call(m, cast):
                return {"out": m(cast(x), torch.tensor(t), cast(context), added_cond_kwargs={"text_embeds": cast(pooled), "time_ids": cast(time_ids)}).sample}

            out, allowed = in_both_precisions(model, call)
            store.add(f"xl_unet/{name}/{h}x{w}_n{n}_t{t}", {"timestep": t}, {"sample": x, "context": context, "pooled": pooled, "time_ids": time_ids}, out, allowed,
                      checkpoint=name)


PLAIN = dict(prompt="a quiet sea at sunset with three orange boats", negative_prompt="blurry, bad quality", num_inference_steps=4, guidance_scale=6.5)
EULER, DDIM = "EulerDiscreteScheduler", "DDIMScheduler"
SIZES = dict(original_size=(512, 768), crops_coords_top_left=(8, 24), target_size=(80, 96))
LATENTS = "latents"  # instead of a picture's size: latents to go on from

# case -> checkpoint, scheduler, changes to its config, changes to PLAIN
TEXT_TO_IMAGE = {
    "euler": (BASE, EULER, {}, {}),
    "ddim": (BASE, DDIM, {}, {}),
    "dpmpp_2m_karras": (BASE, "DPMSolverMultistepScheduler", KARRAS, dict(num_inference_steps=6)),
    "sizes": (BASE, EULER, {}, SIZES),
    "negative_sizes": (BASE, EULER, {}, SIZES | dict(negative_original_size=(64, 32), negative_crops_coords_top_left=(1, 2), negative_target_size=(33, 44))),
    "second_prompts": (BASE, EULER, {}, dict(prompt_2="oil on canvas", negative_prompt_2="a photo of a house")),
    "no_negative": (BASE, EULER, {}, dict(negative_prompt=None)),
    "no_guidance": (BASE, EULER, {}, dict(guidance_scale=1.0)),
    "guidance_rescale": (BASE, DDIM, {}, dict(guidance_rescale=0.6)),
    "clip_skip_1": (BASE, DDIM, {}, dict(clip_skip=1)),
    "two_images": (BASE, "EulerAncestralDiscreteScheduler", {}, dict(num_images_per_prompt=2)),
    "wide": (BASE, EULER, {}, dict(width=136, height=88)),
    "long_prompt": (BASE, EULER, {}, dict(prompt="a bridge over a river, " * 30)),
    "end_0.6": (BASE, EULER, {}, dict(denoising_end=0.6, num_inference_steps=7)),
    "end_0.8_heun": (BASE, "HeunDiscreteScheduler", {}, dict(denoising_end=0.8, num_inference_steps=6)),
}
IMAGE_TO_IMAGE = {
    "strength_0.5": (BASE, EULER, {}, dict(strength=0.5)),
    "default_strength": (BASE, DDIM, {}, {}),
    "sizes": (BASE, EULER, {}, dict(strength=0.5, negative_crops_coords_top_left=(8, 24)) | SIZES),
    "two_images": (BASE, "EulerAncestralDiscreteScheduler", {}, dict(strength=0.6, num_images_per_prompt=2)),
    "refiner": (REFINER, EULER, {}, {}),
    "refiner_scores": (REFINER, EULER, {}, dict(strength=0.6, aesthetic_score=7.5, negative_aesthetic_score=1.0, original_size=(512, 768))),
    "refiner_no_negative": (REFINER, DDIM, {}, dict(strength=0.6, negative_prompt=None)),
    "refiner_start": (REFINER, EULER, {}, dict(picture=LATENTS, denoising_start=0.6, num_inference_steps=7)),
    "refiner_start_heun": (REFINER, "HeunDiscreteScheduler", {}, dict(picture=LATENTS, denoising_start=0.8, num_inference_steps=6)),
    "start_and_end": (BASE, EULER, {}, dict(picture=LATENTS, denoising_start=0.3, denoising_end=0.7, num_inference_steps=10)),
    "end_alone": (BASE, DDIM, {}, dict(strength=0.8, denoising_end=0.6, num_inference_steps=10)),
}
INPAINT = {
    "strength_0.75": (BASE, EULER, {}, dict(strength=0.75)),
    "whole": (BASE, "EulerAncestralDiscreteScheduler", {}, dict(strength=1.0)),
    "refiner": (REFINER, DDIM, {}, dict(strength=0.6)),
}
PICTURES = ("euler", "two_images", "strength_0.5", "refiner", "strength_0.75")  # cases whose pictures are kept, too


def add(store, folder):
    for label, case in TEXT_TO_IMAGE.items():
        add_one(store, folder, "xl_text_to_image", label, StableDiffusionXLPipeline, case, {}, {})
    for label, case in IMAGE_TO_IMAGE.items():
        add_one(store, folder, "xl_image_to_image", label, StableDiffusionXLImg2ImgPipeline, case, {"num_inference_steps": 8}, {"image": images.picture})
    for label, case in INPAINT.items():
        add_one(store, folder, "xl_inpaint", label, StableDiffusionXLInpaintPipeline, case, {"height": 48, "width": 64},
                {"image": images.picture, "mask_image": images.mask})


def add_one(store, folder, group, label, pipeline_class, case, plain, makers):
    """One case: run in float32, and in float64 for the tolerance."""
    checkpoint, scheduler, changes, arguments = case
    call = PLAIN | plain | arguments
    size = call.pop("picture", (64, 48))
    settings = call | {"seed": SEED}
    given = {"image": 5 * seeded((1, 4, 12, 10), 7000)} if size == LATENTS else {key: make(*size) for key, make in makers.items()}
    inputs = {"latents": given["image"]} if size == LATENTS else {key: images.array(image) for key, image in given.items()}
    runs = []
    for double in (False, True):
        p = pipeline_class.from_pretrained(folder / checkpoint, torch_dtype=torch.float32, add_watermarker=False)
        p.scheduler = getattr(diffusers, scheduler).from_config(p.scheduler.config, **changes)
        p.set_progress_bar_config(disable=True)
        for network in (p.unet, p.vae, p.text_encoder, p.text_encoder_2) if double else ():
            if network is not None:
                network.double()
        runs.append(run(p, call | given))
    (latents, _, config, picture), (better, *_) = runs
    outputs, allowed = {"latents": latents}, {"latents": tolerance(latents, [better], floor=2e-5)}
    if label in PICTURES:
        outputs["picture"], allowed["picture"] = picture, {"atol": 1, "share": 0.999}
    store.add(f"{group}/{label}", settings | {"scheduler": config}, {key if key != "latents" else "image_latents": value for key, value in inputs.items()}, outputs, allowed,
              checkpoint=checkpoint)
