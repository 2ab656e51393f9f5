"""Stable Diffusion on Impasto's engine, with diffusers' calls.

    from impasto import StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(impasto.built_in_model())
    pipe("a red boat on the sea").images[0].save("boat.png")

Code for diffusers needs one import changed; a pipeline of diffusers' that is there already is made faster by `impasto.accelerate(pipe)`.
"""

from . import _core, schedulers
from ._core import Cancelled
from .arrays import Generator
from .controlnet import ControlNetModel, MultiControlNetModel
from .loading import built_in_model
from .ip_adapters import CLIPVisionModelWithProjection
from .models import AutoencoderKL, StableDiffusionSafetyChecker, UNet2DConditionModel
from .outputs import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from .pipelines import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    DiffusionPipeline,
    LatentConsistencyModelImg2ImgPipeline,
    LatentConsistencyModelPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetInpaintPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
)
from .preview import LivePreview
from .scheduler_defaults import DEFAULTS as _SCHEDULERS
from .text_models import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

__version__ = _core.version()

__all__ = [
    "AutoPipelineForImage2Image",
    "AutoPipelineForInpainting",
    "AutoPipelineForText2Image",
    "AutoencoderKL",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPTokenizer",
    "CLIPVisionModelWithProjection",
    "Cancelled",
    "ControlNetModel",
    "DiffusionPipeline",
    "Generator",
    "LatentConsistencyModelImg2ImgPipeline",
    "LatentConsistencyModelPipeline",
    "LivePreview",
    "MultiControlNetModel",
    "StableDiffusionControlNetImg2ImgPipeline",
    "StableDiffusionControlNetInpaintPipeline",
    "StableDiffusionControlNetPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionPipeline",
    "StableDiffusionPipelineOutput",
    "StableDiffusionSafetyChecker",
    "StableDiffusionXLControlNetImg2ImgPipeline",
    "StableDiffusionXLControlNetInpaintPipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLPipelineOutput",
    "UNet2DConditionModel",
    "accelerate",
    "built_in_model",
    "schedulers",
    *_SCHEDULERS,
]


def accelerate(pipe, *, vae=False, text_encoder=False, controlnet=True):
    """Puts Impasto's UNet (its ControlNets and, where asked for, VAE and text encoder) in the place of a diffusers pipeline's, which it returns.

    Its schedulers, callbacks and prompt tools go on working, since they see modules of the same calls, configs and dtypes. The weights are not
    copied, but for those that a LoRA changes, which go in as they are now: what changes them afterwards (LoRA, `to()`) must come before, or be
    followed by another `accelerate` of the modules as they were. Raises TypeError for what is not a pipeline with a UNet2DConditionModel,
    NotImplementedError for a network that the engine does not have; the pipeline is then as it was.
    """
    from .acceleration import accelerate as _accelerate

    return _accelerate(pipe, vae=vae, text_encoder=text_encoder, controlnet=controlnet)


for _name in _SCHEDULERS:
    globals()[_name] = getattr(schedulers, _name)
del _name
