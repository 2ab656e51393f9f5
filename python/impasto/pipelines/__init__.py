"""diffusers' pipelines on Impasto's engine."""

from typing import Any

from .auto import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image
from .base import DiffusionPipeline
from .controlled import StableDiffusionControlNetImg2ImgPipeline, StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline
from .image_to_image import StableDiffusionImg2ImgPipeline
from .inpaint import StableDiffusionInpaintPipeline
from .latent_consistency import LatentConsistencyModelImg2ImgPipeline, LatentConsistencyModelPipeline
from .text_to_image import StableDiffusionPipeline
from .xl_controlled import StableDiffusionXLControlNetImg2ImgPipeline, StableDiffusionXLControlNetInpaintPipeline, StableDiffusionXLControlNetPipeline
from .xl_image_to_image import StableDiffusionXLImg2ImgPipeline
from .xl_inpaint import StableDiffusionXLInpaintPipeline
from .xl_text_to_image import StableDiffusionXLPipeline

_CLASSES = {
    c.__name__: c
    for c in (
        StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline,
        LatentConsistencyModelPipeline, LatentConsistencyModelImg2ImgPipeline,
        StableDiffusionControlNetPipeline, StableDiffusionControlNetImg2ImgPipeline, StableDiffusionControlNetInpaintPipeline,
        StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLInpaintPipeline,
        StableDiffusionXLControlNetPipeline, StableDiffusionXLControlNetImg2ImgPipeline, StableDiffusionXLControlNetInpaintPipeline,
    )
}  # fmt: skip


def pipeline_class(name: str) -> Any:
    """The class that a model_index.json names. Raises NotImplementedError for those that are not there."""
    if name not in _CLASSES:
        raise NotImplementedError(f"pipeline class {name} is not supported; supported are {', '.join(_CLASSES)}")
    return _CLASSES[name]


__all__ = ["AutoPipelineForImage2Image", "AutoPipelineForInpainting", "AutoPipelineForText2Image", "DiffusionPipeline", *_CLASSES, "pipeline_class"]
