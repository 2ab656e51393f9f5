"""What the tests beside torch and diffusers share: both libraries' pipelines on one checkpoint, and calls of both."""

import inspect

import numpy as np
import pytest
from golden import DATA
from PIL import Image

import impasto

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

TINY = str(DATA / "checkpoints" / "tiny-sd15")
NET = str(DATA / "adapters" / "controlnet")
TASKS = ["StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"]
CONTROLLED = ["StableDiffusionControlNetPipeline", "StableDiffusionControlNetImg2ImgPipeline", "StableDiffusionControlNetInpaintPipeline"]
QUICK = dict(num_inference_steps=3, height=64, width=64, output_type="np")
# Random weights, a few steps: the golden cases of these sizes allow 1e-4 to 4e-3 on latents of about 1 to 20 (tests/data/golden); a pixel is the
# decoder's answer in 0..1.
CLOSE = dict(atol=2e-3)


def parameters(function):
    return {k: p.default for k, p in inspect.signature(function).parameters.items() if k not in ("self", "args", "kwargs", "prepare_latents")}


def pipelines():
    """Ours and diffusers'."""
    # diffusers would draw in the stored types, which are mixed
    made = [library.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float32) for library in (impasto, diffusers)]
    for pipe in made:
        pipe.set_progress_bar_config(disable=True)
        pipe.safety_checker = None
    return made


def both(pair, *args, seed=11, generators=None, **kwargs):
    def generator():
        return [torch.Generator().manual_seed(s) for s in generators] if generators else torch.Generator().manual_seed(seed)

    return [np.asarray(pipe(*args, **{**QUICK, "generator": generator(), **kwargs}).images) for pipe in pair]


def picture(height, width, seed=0):
    smooth = np.random.default_rng(seed).random((8, 8, 3))
    return Image.fromarray((smooth * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
