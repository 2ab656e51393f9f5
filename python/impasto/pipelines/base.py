"""What diffusers' Stable Diffusion pipelines share: parts, the current call, and the small methods that scripts call."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from PIL import Image

from .. import _core, devices, schedulers
from ..config import FrozenDict
from ..models import AutoencoderKL, UNet2DConditionModel
from ..once import accepted
from ..text_models import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from .adapting import Adapting
from .call import Calls, PerCall
from .checkpoints import Checkpoints
from .placing import Placing
from .showing import Showing

COMPONENTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler", "safety_checker", "feature_extractor", "image_encoder")
_KINDS: dict[str, type] = {
    "vae": AutoencoderKL, "text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection, "tokenizer": CLIPTokenizer, "tokenizer_2": CLIPTokenizer,
    "unet": UNet2DConditionModel,
}  # fmt: skip
_LIBRARIES = {
    "safety_checker": "stable_diffusion", "controlnet": "diffusers", "vae": "diffusers", "unet": "diffusers", "scheduler": "diffusers",
    "image_encoder": "transformers", "text_encoder": "transformers", "text_encoder_2": "transformers", "tokenizer": "transformers", "tokenizer_2": "transformers",
}  # fmt: skip


def _not_there(name: str, what: str) -> Any:
    def method(self: Any, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{name}: Impasto does not have {what} yet; draw with diffusers' own pipeline where you need it, not accelerated, or leave it out")

    method.__name__ = name
    method.__doc__ = f"Raises NotImplementedError: {what} is not there yet."
    return method


class DiffusionPipeline(Checkpoints, Adapting, Showing, Placing):
    """A checkpoint's networks, tokenizer and scheduler, and how they draw. `DiffusionPipeline.from_pretrained` takes the class that the checkpoint names."""

    _components: tuple[str, ...] = COMPONENTS
    _settings: tuple[str, ...] = ()
    _optional: tuple[str, ...] = ()  # parts that may be None
    _forced: dict[str, Any] = {"steps_offset": 1, "clip_sample": False}  # see schedulers.amend
    _guidance_scale = PerCall()
    _guidance_rescale = PerCall()
    _clip_skip = PerCall()
    _cross_attention_kwargs = PerCall()
    _num_timesteps = PerCall()

    def __init__(self, **parts: Any):
        self._calls = Calls()
        self._progress_bar_config: dict[str, Any] = {}
        self._core: Any = None
        self._places: dict[str, devices.Place] | None = None  # of the engine's pipeline
        self._offload: devices.Offload | None = None
        self._folder: str | None = None
        self.register_modules(**parts)
        schedulers.amend(self._scheduler, self._forced)
        self.vae_scale_factor = 2 ** (len(self.vae.config.block_out_channels) - 1)

    @classmethod
    def _class_for(cls, name: str) -> Any:
        if cls is not DiffusionPipeline:
            return cls
        from . import pipeline_class

        return pipeline_class(name)

    # Parts

    def register_modules(self, **parts: Any) -> None:
        """Puts parts in the place of those that are there. Raises ValueError for names or kinds that the pipeline does not have."""
        for name, part in parts.items():
            if name not in self._components:
                raise ValueError(f"{name} is not a part of {type(self).__name__}; its parts are {', '.join(self._components)}")
            kind = _KINDS.get(name)
            if kind is not None and not isinstance(part, kind) and not (part is None and name in self._optional):
                raise ValueError(f"{name} has to be an impasto.{kind.__name__}, but is {type(part)}; impasto.accelerate(pipe) takes pipelines of diffusers' parts")
            setattr(self, name, part)

    @property
    def scheduler(self) -> Any:
        """The scheduler; within a callback, the one that the call draws with. Diffusers' schedulers may be assigned, too."""
        return self._calls.current.scheduler or self._scheduler

    @scheduler.setter
    def scheduler(self, scheduler: Any) -> None:
        self._scheduler = schedulers.from_any(scheduler)

    @property
    def components(self) -> dict[str, Any]:
        """The parts by name, for another pipeline: `StableDiffusionImg2ImgPipeline(**pipe.components)` shares the weights."""
        return {name: getattr(self, name) for name in self._components}

    @property
    def config(self) -> FrozenDict:
        """What model_index.json says of this pipeline."""
        parts = {name: (_LIBRARIES.get(name), type(part).__name__) if (part := getattr(self, name)) is not None else (None, None) for name in self._components}
        settings = {name: getattr(self, name) for name in self._settings}
        return FrozenDict(_class_name=type(self).__name__, _name_or_path=self._folder or "", **settings, **parts)

    @property
    def name_or_path(self) -> str | None:
        return self._folder

    enable_freeu = _not_there("enable_freeu", "FreeU")
    disable_freeu = accepted("disable_freeu")

    @staticmethod
    def numpy_to_pil(images: Any) -> list[Any]:
        """Arrays [n, h, w, 3] or [h, w, 3] in 0..1 as PIL pictures."""
        images = np.asarray(images)
        return [Image.fromarray((x * 255).round().astype("uint8")) for x in (images[None] if images.ndim == 3 else images)]

    @property
    def dtype(self) -> Any:
        return self.unet.dtype

    def set_progress_bar_config(self, **kwargs: Any) -> None:
        """Settings of tqdm's bar, which is shown where tqdm is installed: `disable=True` for none."""
        self._progress_bar_config = kwargs

    def progress_bar(self, iterable: Any = None, total: int | None = None) -> Any:
        if self._progress_bar_config.get("disable"):
            return _NoBar(iterable)
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return _NoBar(iterable)
        return tqdm(iterable, total=total, **self._progress_bar_config)

    # The current call

    @property
    def guidance_scale(self) -> float:
        return self._guidance_scale

    @property
    def guidance_rescale(self) -> float:
        return self._guidance_rescale

    @property
    def clip_skip(self) -> int | None:
        return self._clip_skip

    @property
    def cross_attention_kwargs(self) -> dict[str, Any] | None:
        return self._cross_attention_kwargs

    @property
    def do_classifier_free_guidance(self) -> bool:
        return self._guides(self._guidance_scale)

    @property
    def num_timesteps(self) -> int:
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        return self._interrupt

    @property
    def _interrupt(self) -> bool:
        """True leaves out the steps that are left, of every call of this object that runs now; what there is is decoded."""
        return self._calls.current._interrupt

    @_interrupt.setter
    def _interrupt(self, value: bool) -> None:
        self._calls.interrupt(bool(value))

    async def agenerate(self, *args: Any, **kwargs: Any) -> Any:
        """`__call__` in a thread of its own: `await pipe.agenerate("a red boat")`. Cancelling the task stops the drawing within a step."""
        flag = _core.StopFlag()

        def draw() -> Any:
            self._calls.next_stop = flag
            try:
                return self(*args, **kwargs)  # type: ignore[operator]
            finally:
                self._calls.next_stop = None

        drawing = asyncio.get_running_loop().run_in_executor(None, draw)
        try:
            return await asyncio.shield(drawing)
        except asyncio.CancelledError:
            flag.set()
            await asyncio.wait([drawing])
            drawing.exception()  # seen
            raise


class _NoBar:
    """A progress bar where there is no tqdm."""

    def __init__(self, iterable: Any):
        self._iterable = iterable

    def __iter__(self) -> Any:
        return iter(() if self._iterable is None else self._iterable)

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def update(self, n: int = 1) -> None:
        pass
