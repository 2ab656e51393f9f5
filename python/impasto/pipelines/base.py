"""What diffusers' Stable Diffusion pipelines share: parts, loading, and the small methods that scripts call."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
from typing import Any

import numpy as np
from PIL import Image

from .. import _core, devices, image_processor, schedulers
from ..adapters import Adapters
from ..arrays import public, to_numpy
from ..config import FrozenDict, read_config
from ..controlnet import nets_of
from ..loading import checkpoint_folder, config_folder, single_file, warn_unused
from ..models import AutoencoderKL, CLIPTextModel, CLIPTokenizer, Model, StableDiffusionSafetyChecker, UNet2DConditionModel
from ..once import accepted, say_once
from .call import Calls, PerCall
from .parts import parts_of, parts_of_file

COMPONENTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler", "safety_checker", "feature_extractor", "image_encoder")
_KINDS: dict[str, type] = {"vae": AutoencoderKL, "text_encoder": CLIPTextModel, "tokenizer": CLIPTokenizer, "unet": UNet2DConditionModel}
_SAVED = ("vae", "text_encoder", "tokenizer", "unet")
_LIBRARIES = {"safety_checker": "stable_diffusion", "controlnet": "diffusers", "vae": "diffusers", "unet": "diffusers", "scheduler": "diffusers", "text_encoder": "transformers", "tokenizer": "transformers"}


def _not_there(name: str, what: str) -> Any:
    def method(self: Any, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"{name}: Impasto does not have {what} yet; draw with diffusers' own pipeline where you need it, not accelerated, or leave it out")

    method.__name__ = name
    method.__doc__ = f"Raises NotImplementedError: {what} is not there yet."
    return method


class DiffusionPipeline:
    """A checkpoint's networks, tokenizer and scheduler, and how they draw. `DiffusionPipeline.from_pretrained` takes the class that the checkpoint names."""

    _components: tuple[str, ...] = COMPONENTS
    _forced: dict[str, Any] = {"steps_offset": 1, "clip_sample": False}  # see schedulers.amend
    _guidance_scale = PerCall()
    _guidance_rescale = PerCall()
    _clip_skip = PerCall()
    _cross_attention_kwargs = PerCall()
    _num_timesteps = PerCall()

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        unet: Any,
        scheduler: Any,
        safety_checker: Any = None,
        feature_extractor: Any = None,
        image_encoder: Any = None,
        requires_safety_checker: bool = True,
    ):
        self._calls = Calls()
        self._progress_bar_config: dict[str, Any] = {}
        self._core: Any = None
        self._places: dict[str, devices.Place] | None = None  # of the engine's pipeline
        self._offload: devices.Offload | None = None
        self._folder: str | None = None
        self.requires_safety_checker = requires_safety_checker
        self.register_modules(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler,
            safety_checker=safety_checker, feature_extractor=feature_extractor, image_encoder=image_encoder,
        )  # fmt: skip
        schedulers.amend(self._scheduler, self._forced)
        self.vae_scale_factor = 2 ** (len(self.vae.config.block_out_channels) - 1)

    # Parts

    def register_modules(self, **parts: Any) -> None:
        """Puts parts in the place of those that are there. Raises ValueError for names or kinds that the pipeline does not have."""
        for name, part in parts.items():
            if name not in self._components:
                raise ValueError(f"{name} is not a part of {type(self).__name__}; its parts are {', '.join(self._components)}")
            kind = _KINDS.get(name)
            if kind is not None and not isinstance(part, kind):
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
        return FrozenDict(_class_name=type(self).__name__, _name_or_path=self._folder or "", requires_safety_checker=self.requires_safety_checker, **parts)

    @property
    def name_or_path(self) -> str | None:
        return self._folder

    # Loading and saving

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Opens a checkpoint: a folder in the diffusers layout, or a repository of the Hub.

        Args:
            torch_dtype, dtype: torch.float32, float16 (computed in float32 on a CPU without AVX512-FP16) or bfloat16; a GPU has the latter two, and takes float16 where none is said.
            device, device_map: "cpu", "cuda", "cuda:1", ..., or a dictionary of them by part; "auto", "balanced" and None take a GPU where this build and this
                machine have one, else the CPU.
            variant, revision, token, cache_dir, local_files_only, force_download: as diffusers has them.
            scheduler, unet, vae, ...: parts to take instead of the checkpoint's.
            safety_checker: None for none. As diffusers, a checkpoint that has one makes black what it flags.
            num_threads: threads of the process-wide pool, 0 for one a core. map_weights: use files where they are mapped.

        Raises OSError (FileNotFoundError among it) when files are missing or damaged, NotImplementedError for architectures that the engine does
        not have, MemoryError before taking memory that is not there.
        """
        folder = checkpoint_folder(os.fspath(pretrained_model_name_or_path), kwargs)
        cls = cls._class_for(folder)
        parts = {name: kwargs.pop(name) for name in cls._components if name in kwargs}
        places, wishes = devices.taken(kwargs)
        core = _core.Pipeline.load(
            folder,
            **devices.as_options(places),
            num_threads=kwargs.pop("num_threads", 0),
            map_weights=kwargs.pop("map_weights", False),
        )
        warn_unused(kwargs)
        pipe = cls(**{**parts_of(core, folder, places, wishes), **cls._more_parts(folder, parts), **parts})
        pipe._core, pipe._places, pipe._folder = core, places, folder
        return pipe

    @classmethod
    def from_single_file(cls, pretrained_model_link_or_path: Any, **kwargs: Any) -> Any:
        """Opens a single file in the layout of the first releases: safetensors, or `.ckpt`, whose pickle is read as data. A link to the Hub is fetched.

        Args:
            config: a folder in the diffusers layout (or its name on the Hub), for the tokenizer and the configs. Without, the folder beside the file that has
                its name counts, a folder `tokenizer` beside it, and what the tensors' shapes tell.
            torch_dtype, dtype, device, device_map, token, revision, cache_dir, local_files_only, scheduler, unet, ...: as in `from_pretrained`.

        Raises as `from_pretrained`, and OSError (FileNotFoundError) where no tokenizer is found.
        """
        path = single_file(os.fspath(pretrained_model_link_or_path), kwargs)
        config = kwargs.pop("config", None)
        folder = config_folder(os.fspath(config), kwargs) if config is not None else ""
        parts = {name: kwargs.pop(name) for name in cls._components if name in kwargs}
        places, wishes = devices.taken(kwargs)
        core = _core.Pipeline.load(
            path,
            config=folder,
            **devices.as_options(places),
            num_threads=kwargs.pop("num_threads", 0),
            map_weights=kwargs.pop("map_weights", False),
        )
        warn_unused(kwargs)
        if cls is DiffusionPipeline:
            from . import pipeline_class

            cls = pipeline_class(core.info()["pipeline_class"])
        pipe = cls(**{**parts_of_file(core, places, wishes), **parts})
        pipe._core, pipe._places = core, places
        return pipe

    @classmethod
    def download(cls, pretrained_model_name: str, **kwargs: Any) -> str:
        """Fetches what `from_pretrained` would of a repository of the Hub, and gives the folder. Raises OSError."""
        return checkpoint_folder(os.fspath(pretrained_model_name), kwargs)

    @classmethod
    def _more_parts(cls, folder: str, given: dict[str, Any]) -> dict[str, Any]:
        """The parts in a checkpoint's folder that only this class has, but for those that the caller gives."""
        return {}

    @classmethod
    def _class_for(cls, folder: str) -> Any:
        if cls is not DiffusionPipeline:
            return cls
        from . import pipeline_class

        return pipeline_class(read_config(folder, "model_index.json").get("_class_name", "StableDiffusionPipeline"))

    @classmethod
    def from_pipe(cls, pipeline: Any, **parts: Any) -> Any:
        """This pipeline with another's parts: no weights are loaded or copied. Raises ValueError where a part is missing."""
        names = inspect.signature(cls.__init__).parameters
        given = {k: v for k, v in {**pipeline.components, **parts}.items() if k in names}
        missing = [k for k, p in names.items() if p.default is inspect.Parameter.empty and k != "self" and k not in given]
        if missing:
            raise ValueError(f"{cls.__name__} is also made of {', '.join(missing)}, which {type(pipeline).__name__} does not have: pass it here")
        pipe = cls(**given)
        pipe._core, pipe._folder = getattr(pipeline, "_core", None), getattr(pipeline, "_folder", None)
        pipe._places = getattr(pipeline, "_places", None)
        return pipe

    def save_pretrained(self, save_directory: str | os.PathLike, safe_serialization: bool = True, **_: Any) -> None:
        """Writes the checkpoint with the scheduler that is set now: weights are the files that they were loaded from."""
        for name, part in self._folders():
            source = getattr(part, "_folder", None)
            if source is None:
                raise NotImplementedError(f"{name} was not loaded from a folder, so it cannot be saved; `impasto convert FILE -o FOLDER` makes a folder of a single file")
            target = os.path.join(save_directory, name)
            if os.path.realpath(source) != os.path.realpath(target):
                shutil.copytree(source, target, dirs_exist_ok=True)
        self._scheduler.save_pretrained(os.path.join(save_directory, "scheduler"))
        index = {k: list(v) if isinstance(v, tuple) else v for k, v in self.config.items() if k != "_name_or_path"}
        with open(os.path.join(save_directory, "model_index.json"), "w", encoding="utf-8") as file:
            json.dump(index, file, indent=2)
            file.write("\n")

    def _folders(self) -> list[tuple[str, Any]]:
        """The folders with weights or a tokenizer, and the parts in them."""
        checkers = ["safety_checker"] if isinstance(self.safety_checker, StableDiffusionSafetyChecker) else []
        return [(name, getattr(self, name)) for name in (*_SAVED, *checkers)]

    def run_safety_checker(self, image: Any, device: Any = None, dtype: Any = None) -> tuple[Any, list[bool] | None]:
        """Pixels [n, 3, height, width] in -1..1, black where the safety checker flags them, and what it said of each; None where there is none.

        The checker is called as diffusers calls it, `safety_checker(images=..., clip_input=...)`; of what it gives the second counts."""
        if self.safety_checker is None:
            return image, None
        pixels = np.array(to_numpy(image))
        pictures = image_processor.postprocess(pixels, "pil")
        if isinstance(self.safety_checker, StableDiffusionSafetyChecker):
            clip_input = self.safety_checker.clip_input(pictures)
        else:
            processed = None if self.feature_extractor is None else self.feature_extractor(pictures, return_tensors="pt")
            clip_input = getattr(processed, "pixel_values", None)
        _, flagged = self.safety_checker(images=public(pixels.copy()), clip_input=clip_input)
        flagged = [bool(flag) for flag in flagged]
        pixels[np.array(flagged, bool)] = -1
        return pixels, flagged

    # Adapters; those that share the UNet share them, as in diffusers

    def load_lora_weights(self, pretrained_model_name_or_path_or_dict: Any, adapter_name: str | None = None, **kwargs: Any) -> None:
        """Attaches an adapter: a `.safetensors` file, a folder or repository with one (`weight_name` says which), or its tensors by name.

        kohya-ss's, LyCORIS's, PEFT's and diffusers' names; LoRA, LoCon, LoHa, LoKr, DoRA. It is merged into float32 weights, at scale 1
        until `set_adapters` says otherwise. Raises OSError where there is no such file, or it was made for another model; ValueError for a name that is taken.
        """
        self._adapters.load(pretrained_model_name_or_path_or_dict, adapter_name, kwargs)

    def set_adapters(self, adapter_names: str | list[str], adapter_weights: Any = None) -> None:
        """Which adapters count, and how much: a number for all, one for each, or `{"unet": ..., "text_encoder": ...}` for each."""
        self._adapters.choose(adapter_names, adapter_weights)

    def get_active_adapters(self) -> list[str]:
        return self._adapters.active_names()

    def get_list_adapters(self) -> dict[str, list[str]]:
        names = self._adapters.names()
        return {"unet": names, "text_encoder": names} if names else {}

    def delete_adapters(self, adapter_names: str | list[str]) -> None:
        self._adapters.delete(adapter_names)

    def unload_lora_weights(self) -> None:
        """Takes all adapters off, but for what `fuse_lora` has fused."""
        self._adapters.clear()

    def disable_lora(self) -> None:
        self._adapters.enable(False)

    def enable_lora(self) -> None:
        self._adapters.enable(True)

    def fuse_lora(self, components: Any = (), lora_scale: float = 1.0, safe_fusing: bool = False, adapter_names: list[str] | None = None, **_: Any) -> None:
        """Keeps what the adapters make of the weights now, `lora_scale` times, until `unfuse_lora`; they are merged either way."""
        self._adapters.fuse(lora_scale, adapter_names)

    def unfuse_lora(self, components: Any = (), **_: Any) -> None:
        self._adapters.unfuse()

    @property
    def _adapters(self) -> Adapters:
        if getattr(self.unet, "_adapters", None) is None:
            if self._core is None:
                raise NotImplementedError("adapters need a pipeline of from_pretrained; this one was put together from parts")
            self.unet._adapters = Adapters(self._engine(), self.unet, self.text_encoder)
        return self.unet._adapters

    def load_textual_inversion(self, pretrained_model_name_or_path: Any, token: str | list[str] | None = None, tokenizer: Any = None, text_encoder: Any = None, **kwargs: Any) -> None:
        """Teaches the text encoder words: a file (`.safetensors`, `.pt`, `.bin`), a folder or repository with one (`weight_name` says which), a
        state dict, a tensor [vectors, width], or a list of those.

        `token` is the word, or a word for each; without, the one that the file holds, or else the file's name. It counts in any case, as a whole word.
        Raises ValueError for a word that is there already and for vectors of another text encoder's width, OSError where there is no such file; then
        no word of the call is added.
        """
        encoder, words = text_encoder or self.text_encoder, tokenizer or self.tokenizer
        encoder.new_words.load(pretrained_model_name_or_path, token, words._core, encoder.config.hidden_size, kwargs)

    def unload_textual_inversion(self, tokens: str | list[str] | None = None, tokenizer: Any = None, text_encoder: Any = None) -> None:
        """Forgets these words, or all. Raises ValueError when none of them is there."""
        (text_encoder or self.text_encoder).new_words.unload(tokens)

    @property
    def fused_loras(self) -> set[str]:
        """The names of the adapters that `fuse_lora` has fused."""
        return self._adapters.fused_names()

    @property
    def num_fused_loras(self) -> int:
        return len(self.fused_loras)

    load_ip_adapter = _not_there("load_ip_adapter", "IP adapters")
    unload_ip_adapter = _not_there("unload_ip_adapter", "IP adapters")
    set_ip_adapter_scale = _not_there("set_ip_adapter_scale", "IP adapters")
    enable_freeu = _not_there("enable_freeu", "FreeU")
    disable_freeu = accepted("disable_freeu")
    set_lora_device = accepted("set_lora_device")
    enable_lora_hotswap = accepted("enable_lora_hotswap")

    def maybe_convert_prompt(self, prompt: Any, tokenizer: Any = None) -> Any:
        """The prompt as it is: words of several vectors need no spelling out here."""
        return prompt

    # Where and how

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """`to("cuda")`, `to("cuda:1")`, `to("cpu")`, `to(torch.float16)`, ...: moves all networks, which are built there when they are next called.

        Raises RuntimeError for a device that is not there, or does not compute in that dtype, and ValueError for other dtypes; then nothing has moved."""
        device, wished = devices.asked(args, kwargs)
        networks = self._networks()
        for part in networks:
            devices.find(device or part._place.device, wished or part._wished)
        for part in networks:
            part.to(device=device, dtype=wished)
        self._engine()  # holds nothing where the parts were
        if getattr(self.unet, "_adapters", None) is not None:
            self.unet._adapters.follow()
        return self

    def _networks(self) -> list[Any]:
        """The parts that compute."""
        parts = [getattr(self, name) for name in self._components if name != "scheduler"]
        return [net for part in parts if part is not None for net in nets_of(part) if isinstance(net, Model)]

    def _engine(self) -> Any:
        """The engine's pipeline, with its networks where the parts are now."""
        # A part that is missing, or somebody else's, is nowhere of ours: the engine's own stays where it was.
        places = {name: getattr(getattr(self, name, None), "_place", (self._places or {}).get(name, self.unet._place)) for name in devices.PLACED}
        if self._core is not None and self._places != places:
            self._core, self._places = self._core.with_device(**devices.as_options(places)), places
        return self._core

    @property
    def device(self) -> Any:
        return self.unet.device

    _execution_device = device
    hf_device_map = None

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
        return self._guidance_scale > 1

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

    def enable_model_cpu_offload(self, gpu_id: int | None = None, device: Any = None) -> None:
        """Networks take turns on a GPU: each is built there when it is needed, and what others hold is given back. Less memory, and each picture waits for it.

        Nothing happens where there is no GPU, and it is said once. Raises RuntimeError for a device that is not there."""
        name = devices.device_name(gpu_id if device is None else device) or "auto"
        if devices.find(name).device == "cpu":
            say_once("enable_model_cpu_offload() has nothing to do on a CPU: the networks are where they are used")
            return
        self.to(devices.find(name).device)
        self.remove_all_hooks()
        text, vae, checker = ([part] if isinstance(part, Model) else [] for part in (self.text_encoder, self.vae, self.safety_checker))
        together = [net for net in self._networks() if not any(net is part for part in (*text, *vae, *checker))]  # in every step
        self._offload = devices.Offload([text, together, vae, checker])
        for part in self._networks():
            part._offload = self._offload

    def enable_sequential_cpu_offload(self, gpu_id: int | None = None, device: Any = None) -> None:
        """As `enable_model_cpu_offload`: networks move as wholes."""
        self.enable_model_cpu_offload(gpu_id, device)

    def maybe_free_model_hooks(self) -> None:
        """With `enable_model_cpu_offload`, empties the GPU."""
        if self._offload is not None:
            self._offload.leave()

    def remove_all_hooks(self) -> None:
        """Ends `enable_model_cpu_offload`: networks stay where they are built."""
        self._offload = None
        for part in self._networks():
            part._offload = None

    enable_attention_slicing = accepted("enable_attention_slicing")
    disable_attention_slicing = accepted("disable_attention_slicing")
    set_attention_slice = accepted("set_attention_slice")
    set_use_memory_efficient_attention_xformers = accepted("set_use_memory_efficient_attention_xformers")
    enable_vae_slicing = accepted("enable_vae_slicing")
    disable_vae_slicing = accepted("disable_vae_slicing")

    def enable_vae_tiling(self) -> None:
        """See `AutoencoderKL.enable_tiling`."""
        self.vae.enable_tiling()

    def disable_vae_tiling(self) -> None:
        self.vae.disable_tiling()

    enable_group_offload = accepted("enable_group_offload")
    enable_xformers_memory_efficient_attention = accepted("enable_xformers_memory_efficient_attention")
    disable_xformers_memory_efficient_attention = accepted("disable_xformers_memory_efficient_attention")
    fuse_qkv_projections = accepted("fuse_qkv_projections")
    unfuse_qkv_projections = accepted("unfuse_qkv_projections")
    reset_device_map = accepted("reset_device_map")


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
