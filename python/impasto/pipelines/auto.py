"""The pipeline for a task, whatever the checkpoint was saved as."""

from __future__ import annotations

from typing import Any

from .image_to_image import StableDiffusionImg2ImgPipeline
from .inpaint import StableDiffusionInpaintPipeline
from .text_to_image import StableDiffusionPipeline


class _AutoPipeline:
    _class: Any = None

    def __init__(self, *_: Any, **__: Any):
        raise OSError(f"{type(self).__name__} is made with `from_pretrained(folder)` or `from_pipe(pipeline)`")

    @classmethod
    def from_pretrained(cls, pretrained_model_or_path: Any, **kwargs: Any) -> Any:
        """Opens a checkpoint for this task: see DiffusionPipeline.from_pretrained."""
        return cls._class.from_pretrained(pretrained_model_or_path, **kwargs)

    @classmethod
    def from_pipe(cls, pipeline: Any, **kwargs: Any) -> Any:
        """The pipeline of this task that shares another's weights."""
        return cls._class.from_pipe(pipeline, **kwargs)


class AutoPipelineForText2Image(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionPipeline."""

    _class = StableDiffusionPipeline


class AutoPipelineForImage2Image(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionImg2ImgPipeline."""

    _class = StableDiffusionImg2ImgPipeline


class AutoPipelineForInpainting(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionInpaintPipeline."""

    _class = StableDiffusionInpaintPipeline
