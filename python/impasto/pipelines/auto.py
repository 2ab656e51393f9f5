"""The pipeline for a task, whatever the checkpoint was saved as."""

from __future__ import annotations

from typing import Any

from .controlled import StableDiffusionControlNetImg2ImgPipeline, StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline
from .image_to_image import StableDiffusionImg2ImgPipeline
from .inpaint import StableDiffusionInpaintPipeline
from .text_to_image import StableDiffusionPipeline


class _AutoPipeline:
    _class: Any = None
    _controlled: Any = None  # the class with ControlNets

    def __init__(self, *_: Any, **__: Any):
        raise OSError(f"{type(self).__name__} is made with `from_pretrained(folder)` or `from_pipe(pipeline)`")

    @classmethod
    def from_pretrained(cls, pretrained_model_or_path: Any, **kwargs: Any) -> Any:
        """Opens a checkpoint for this task: see DiffusionPipeline.from_pretrained."""
        return cls._class_for(kwargs).from_pretrained(pretrained_model_or_path, **kwargs)

    @classmethod
    def from_pipe(cls, pipeline: Any, **kwargs: Any) -> Any:
        """The pipeline of this task that shares another's weights, and its ControlNets unless `controlnet=None`."""
        net = kwargs.setdefault("controlnet", getattr(pipeline, "controlnet", None))
        return cls._class_for(kwargs).from_pipe(pipeline, **kwargs if net is not None else {k: v for k, v in kwargs.items() if k != "controlnet"})

    @classmethod
    def _class_for(cls, kwargs: dict[str, Any]) -> Any:
        """With `controlnet` the class that it leads, as diffusers chooses."""
        return cls._class if kwargs.get("controlnet") is None else cls._controlled


class AutoPipelineForText2Image(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionPipeline, or with `controlnet` a StableDiffusionControlNetPipeline."""

    _class = StableDiffusionPipeline
    _controlled = StableDiffusionControlNetPipeline


class AutoPipelineForImage2Image(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionImg2ImgPipeline, or with `controlnet` a StableDiffusionControlNetImg2ImgPipeline."""

    _class = StableDiffusionImg2ImgPipeline
    _controlled = StableDiffusionControlNetImg2ImgPipeline


class AutoPipelineForInpainting(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionInpaintPipeline, or with `controlnet` a StableDiffusionControlNetInpaintPipeline."""

    _class = StableDiffusionInpaintPipeline
    _controlled = StableDiffusionControlNetInpaintPipeline
