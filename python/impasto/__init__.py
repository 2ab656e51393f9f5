"""Stable Diffusion on Impasto's engine, with diffusers' calls.

    from impasto import StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(impasto.built_in_model())
    pipe("a red boat on the sea").images[0].save("boat.png")

Code for diffusers needs one import changed; a pipeline of diffusers' that is there already is made faster by `impasto.accelerate(pipe)`.
"""

from . import _core, schedulers
from ._core import Cancelled
from .arrays import Generator
from .loading import built_in_model
from .models import AutoencoderKL, CLIPTextModel, CLIPTokenizer, UNet2DConditionModel
from .outputs import StableDiffusionPipelineOutput
from .pipelines import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    DiffusionPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from .scheduler_defaults import DEFAULTS as _SCHEDULERS

__version__ = _core.version()

__all__ = [
    "AutoPipelineForImage2Image",
    "AutoPipelineForInpainting",
    "AutoPipelineForText2Image",
    "AutoencoderKL",
    "CLIPTextModel",
    "CLIPTokenizer",
    "Cancelled",
    "DiffusionPipeline",
    "Generator",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "UNet2DConditionModel",
    "accelerate",
    "built_in_model",
    "schedulers",
    *_SCHEDULERS,
]


def accelerate(pipe, *, vae=False, text_encoder=False):
    """Puts Impasto's UNet (and, where asked for, VAE and text encoder) in the place of a diffusers pipeline's, which it returns.

    Its schedulers, callbacks and prompt tools go on working, since they see modules of the same calls, configs and dtypes. The weights are not
    copied: what changes them afterwards (LoRA, `to()`) must come before, or be followed by another `accelerate`. Raises TypeError for what is
    not a pipeline with a UNet2DConditionModel, NotImplementedError for a UNet that the engine does not have.
    """
    from .acceleration import accelerate as _accelerate

    return _accelerate(pipe, vae=vae, text_encoder=text_encoder)


for _name in _SCHEDULERS:
    globals()[_name] = getattr(schedulers, _name)
del _name
