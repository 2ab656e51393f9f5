"""Whole calls against diffusers' results."""

import functools

import numpy as np
import pytest
from golden import cases
from PIL import Image

import impasto


@functools.cache
def loaded(task, checkpoint):
    pipe = getattr(impasto, task).from_pretrained(checkpoint)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def arguments(case):
    """The keyword arguments of a case, and its scheduler."""
    left_out = ("scheduler", "seed", "note", "shared_generator", "per_image_generators", "generators")
    settings = {k: v for k, v in case.settings.items() if k not in left_out}
    config = dict(case.settings["scheduler"])
    scheduler = getattr(impasto, config.pop("_class_name")).from_config(config)
    return settings, scheduler


def generators(case):
    """One for all pictures, or one each."""
    seed, count = case.settings["seed"], case.settings.get("generators")
    return impasto.Generator().manual_seed(seed) if count is None else [impasto.Generator().manual_seed(seed + k) for k in range(count)]


def check(pipe, case, **pictures):
    settings, scheduler = arguments(case)
    pipe.scheduler = scheduler
    if "padding_mask_crop" not in settings:  # such a call gives nothing but pictures
        latents = pipe(**settings, **pictures, generator=generators(case), output_type="latent").images
        case.check("latents", np.asarray(latents))
    if "picture" not in case:
        return
    drawn = pipe(**settings, **pictures, generator=generators(case)).images
    found = np.stack([np.asarray(image) for image in drawn])
    case.check("picture", found.reshape(case["picture"].shape))


@pytest.mark.parametrize("case", cases("text_to_image"), ids=lambda c: c.name)
def test_text_to_image_equals_diffusers(case):
    check(loaded("StableDiffusionPipeline", case.checkpoint), case)


@pytest.mark.parametrize("case", cases("image_to_image"), ids=lambda c: c.name)
def test_image_to_image_equals_diffusers(case):
    check(loaded("StableDiffusionImg2ImgPipeline", case.checkpoint), case, image=Image.fromarray(case["image"]))


@pytest.mark.parametrize("case", cases("inpaint"), ids=lambda c: c.name)
def test_inpainting_equals_diffusers(case):
    if case.checkpoint.endswith("tiny-inpaint"):
        try:
            loaded("StableDiffusionInpaintPipeline", case.checkpoint)
        except NotImplementedError as reason:
            pytest.skip(str(reason))
    mask = Image.fromarray(case["mask_image" if "mask_image" in case else "mask"])
    check(loaded("StableDiffusionInpaintPipeline", case.checkpoint), case, image=Image.fromarray(case["image"]), mask_image=mask)


# normalisations over a handful of pixels blow rounding up: tests/models/unet_test.cc has those sizes, with what that allows
@pytest.mark.parametrize("case", [c for c in cases("unet") if not c.name.endswith("blocks") and c["sample"].shape[2] * c["sample"].shape[3] >= 16], ids=lambda c: c.name)
def test_unet_equals_diffusers(case):
    unet = loaded("StableDiffusionPipeline", case.checkpoint).unet
    out = unet(case["sample"], case.settings["timestep"], encoder_hidden_states=case["context"]).sample
    case.check("out", out)
