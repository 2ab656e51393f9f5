"""The pipeline for a task, whatever the checkpoint was saved as."""

from __future__ import annotations

import os
from typing import Any

from ..config import read_config
from ..loading import checkpoint_folder
from .controlled import StableDiffusionControlNetImg2ImgPipeline, StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline
from .image_to_image import StableDiffusionImg2ImgPipeline
from .inpaint import StableDiffusionInpaintPipeline
from .latent_consistency import LatentConsistencyModelImg2ImgPipeline, LatentConsistencyModelPipeline
from .text_to_image import StableDiffusionPipeline
from .xl import StableDiffusionXLBase
from .xl_controlled import StableDiffusionXLControlNetImg2ImgPipeline, StableDiffusionXLControlNetInpaintPipeline, StableDiffusionXLControlNetPipeline
from .xl_image_to_image import StableDiffusionXLImg2ImgPipeline
from .xl_inpaint import StableDiffusionXLInpaintPipeline
from .xl_text_to_image import StableDiffusionXLPipeline


class _AutoPipeline:
    _class: Any = None
    _controlled: Any = None  # the class with ControlNets
    _xl: Any = None  # for Stable Diffusion XL
    _controlled_xl: Any = None
    _told: Any = None  # for models that are told the guidance scale

    def __init__(self, *_: Any, **__: Any):
        raise OSError(f"{type(self).__name__} is made with `from_pretrained(folder)` or `from_pipe(pipeline)`")

    @classmethod
    def from_pretrained(cls, pretrained_model_or_path: Any, **kwargs: Any) -> Any:
        """Opens a checkpoint for this task: see DiffusionPipeline.from_pretrained."""
        folder = checkpoint_folder(os.fspath(pretrained_model_or_path), kwargs)
        name = read_config(folder, "model_index.json").get("_class_name", "StableDiffusionPipeline")
        if name.startswith("LatentConsistency") and kwargs.get("controlnet") is None and cls._told is not None:
            return cls._told.from_pretrained(folder, **kwargs)
        return cls._class_for(name.startswith("StableDiffusionXL"), kwargs).from_pretrained(folder, **kwargs)

    @classmethod
    def from_pipe(cls, pipeline: Any, **kwargs: Any) -> Any:
        """The pipeline of this task that shares another's weights, and its ControlNets unless `controlnet=None`."""
        net = kwargs.setdefault("controlnet", getattr(pipeline, "controlnet", None))
        chosen = cls._class_for(isinstance(pipeline, StableDiffusionXLBase), kwargs)
        return chosen.from_pipe(pipeline, **kwargs if net is not None else {k: v for k, v in kwargs.items() if k != "controlnet"})

    @classmethod
    def _class_for(cls, xl: bool, kwargs: dict[str, Any]) -> Any:
        """With `controlnet` the class that it leads, as diffusers chooses."""
        if kwargs.get("controlnet") is None:
            return cls._xl if xl else cls._class
        return cls._controlled_xl if xl else cls._controlled


class AutoPipelineForText2Image(_AutoPipeline):
    """`from_pretrained` and `from_pipe` make a StableDiffusionPipeline or StableDiffusionXLPipeline, or with `controlnet` their kin with ControlNets."""

    _class = StableDiffusionPipeline
    _controlled = StableDiffusionControlNetPipeline
    _xl = StableDiffusionXLPipeline
    _controlled_xl = StableDiffusionXLControlNetPipeline
    _told = LatentConsistencyModelPipeline


class AutoPipelineForImage2Image(_AutoPipeline):
    """The same for StableDiffusionImg2ImgPipeline and StableDiffusionXLImg2ImgPipeline."""

    _class = StableDiffusionImg2ImgPipeline
    _controlled = StableDiffusionControlNetImg2ImgPipeline
    _xl = StableDiffusionXLImg2ImgPipeline
    _controlled_xl = StableDiffusionXLControlNetImg2ImgPipeline
    _told = LatentConsistencyModelImg2ImgPipeline


class AutoPipelineForInpainting(_AutoPipeline):
    """The same for StableDiffusionInpaintPipeline and StableDiffusionXLInpaintPipeline."""

    _class = StableDiffusionInpaintPipeline
    _controlled = StableDiffusionControlNetInpaintPipeline
    _xl = StableDiffusionXLInpaintPipeline
    _controlled_xl = StableDiffusionXLControlNetInpaintPipeline
