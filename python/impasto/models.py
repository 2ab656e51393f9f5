"""The networks of a checkpoint, called as diffusers and transformers call theirs. Arrays in, arrays out: torch tensors for torch tensors, else NumPy."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import numpy as np

from . import _core, devices
from .arrays import like, to_numpy
from .config import FrozenDict, read_config
from .once import accepted, logger, say_once
from .outputs import AutoencoderKLOutput, DecoderOutput, DiagonalGaussianDistribution, UNet2DConditionOutput


class Model:
    """What the networks share. `config` answers as a dictionary and as attributes."""

    config_name = "config.json"
    _defaults: dict[str, Any] = {}

    _offload: Any = None  # devices.Offload, where networks take turns on the device

    def __init__(self, core: Any, config: dict[str, Any], folder: str | None = None, place: devices.Place | None = None, wished: str | None = None):
        self._core = core
        self.config = FrozenDict({**self._defaults, **config})
        self._folder = folder
        self._place = place or devices.find()
        self._wished = wished  # dtype that was asked for

    @property
    def dtype(self) -> Any:
        """Of the arithmetic, as torch's (or its name where torch is not used): float32 on a CPU but where another was asked for. Arrays are float32 either way."""
        return devices.public_dtype(self._place)

    @property
    def device(self) -> Any:
        """torch's device, or its name where torch is not used. Tensors may be on any; what comes back is where they were."""
        return devices.public_device(self._place)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """`to("cuda")`, `to("cuda:1")`, `to("cpu")`, `to(torch.float16)`, ...: moves this network, which is built there when it is next called.

        Raises RuntimeError for a device that is not there, or does not compute in that dtype, and ValueError for other dtypes."""
        device, wished = devices.asked(args, kwargs)
        wished = wished or self._wished
        before, self._place, self._wished = self._place, devices.find(device or self._place.device, wished), wished
        if self._place != before:
            self._move(self._place)
        return self

    def _move(self, place: devices.Place) -> None:
        self._core = self._core.with_device(*place)

    def _ready(self) -> Any:
        """The engine's network, about to be called."""
        if self._offload is not None:
            self._offload.enter(self)
        return self._core

    def _let_go(self) -> None:
        """Gives back the device's memory until the next call."""
        if self._core is not None:
            self._core.unload()

    def eval(self) -> "Model":
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Model":
        if requires_grad:
            raise NotImplementedError("Impasto draws; it does not train")
        return self

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str, *, subfolder: str | None = None, torch_dtype: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        """Opens a component's folder (`config.json` and safetensors), or a component of a Hub repository.

        Raises OSError when files are missing or damaged, NotImplementedError for an architecture that the engine does not have."""
        from .loading import component_folder

        place, wished = cls._asked(dtype if dtype is not None else torch_dtype, kwargs)
        folder = component_folder(str(pretrained_model_name_or_path), subfolder, kwargs)
        core = cls._core_class.load(folder, **place._asdict())  # type: ignore[attr-defined]
        return cls(core, read_config(folder, cls.config_name), folder, place, wished)

    @staticmethod
    def _asked(dtype: Any, kwargs: dict[str, Any]) -> tuple[devices.Place, str | None]:
        wished = devices.dtype_name(dtype)
        return devices.find(devices.device_name(kwargs.get("device", kwargs.get("device_map"))) or "auto", wished), wished

    @classmethod
    def _from_single_file(cls, component: str, link_or_path: Any, config: Any, dtype: Any, kwargs: dict[str, Any]) -> Any:
        from .loading import component_config_folder, single_file

        place, wished = cls._asked(dtype, kwargs)

        path = single_file(os.fspath(link_or_path), kwargs)
        folder = "" if config is None else component_config_folder(os.fspath(config), kwargs)
        said = _core.config_of_file(component, path, folder)
        return cls(cls._core_class.load_file(path, said, **place._asdict()), json.loads(said), None, place, wished)  # type: ignore[attr-defined]

    enable_xformers_memory_efficient_attention = accepted("enable_xformers_memory_efficient_attention")
    disable_xformers_memory_efficient_attention = accepted("disable_xformers_memory_efficient_attention")
    set_attn_processor = accepted("set_attn_processor")
    set_attention_slice = accepted("set_attention_slice")
    fuse_qkv_projections = accepted("fuse_qkv_projections")
    unfuse_qkv_projections = accepted("unfuse_qkv_projections")


def refuse_extras(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise NotImplementedError(f"{name} is not supported by Impasto's networks; leave it out, or keep diffusers' network for this pipeline")


def added_conditions(config: dict[str, Any], given: dict[str, Any] | None) -> tuple[np.ndarray, np.ndarray] | None:
    """What `added_cond_kwargs` hold for a network whose config asks for it, as the engine takes it. Others leave them unused, as in diffusers.

    Raises ValueError where something is missing."""
    for name in set(given or ()) - {"text_embeds", "time_ids", "image_embeds"}:
        refuse_extras(**{f"added_cond_kwargs[{name!r}]": given[name]})  # type: ignore[index]
    if config.get("addition_embed_type") is None:
        return None
    missing = [name for name in ("text_embeds", "time_ids") if (given or {}).get(name) is None]
    if missing:
        raise ValueError(f"this network has `addition_embed_type` {config['addition_embed_type']!r}, which requires {' and '.join(missing)} to be passed in `added_cond_kwargs`")
    return to_numpy(given["text_embeds"]), to_numpy(given["time_ids"])  # type: ignore[index]


def image_of(added: tuple[np.ndarray, np.ndarray] | None, i: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Of one image."""
    return None if added is None else (added[0][i : i + 1], added[1][i : i + 1])


def distinct_times(timestep: Any, images: int) -> tuple[list[float], np.ndarray]:
    """The different timesteps of a call, and which of them each image has. Raises ValueError where there are neither one nor as many as images."""
    times, places = np.unique(to_numpy(timestep, np.float64).reshape(-1), return_inverse=True)
    if len(places) not in (1, images):
        raise ValueError(f"timestep has {len(places)} values for {images} images")
    return [float(t) for t in times], places


class UNet2DConditionModel(Model):
    """The denoiser of Stable Diffusion (Rombach et al., 2022), as `diffusers.UNet2DConditionModel`. Several threads may use it at once."""

    _core_class = _core.UNetModel
    _defaults = {"in_channels": 4, "out_channels": 4, "sample_size": None, "time_cond_proj_dim": None, "addition_embed_type": None, "cross_attention_dim": 1280}

    def forward(
        self,
        sample: Any,
        timestep: Any,
        encoder_hidden_states: Any,
        class_labels: Any = None,
        timestep_cond: Any = None,
        attention_mask: Any = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        added_cond_kwargs: dict[str, Any] | None = None,
        down_block_additional_residuals: Any = None,
        mid_block_additional_residual: Any = None,
        down_intrablock_additional_residuals: Any = None,
        encoder_attention_mask: Any = None,
        return_dict: bool = True,
        *,
        walk: Any = None,
        stop: Any = None,
    ) -> Any:
        """The model's guess for noisy latents.

        Args:
            sample: [n, in_channels, h, w].
            timestep: a number, or one for each image.
            timestep_cond: [n, time_cond_proj_dim], the same for all images: the guidance scale, to models that are told it (`pipe.get_guidance_scale_embedding`).
            encoder_hidden_states: [n, tokens, cross_attention_dim]; what follows from them alone is kept for the next call with the same.
            cross_attention_kwargs: `{"scale": s}` multiplies the adapters' scales.
            added_cond_kwargs: with IP-Adapters `{"image_embeds": [...]}`, [n, pictures, ...] for each of them; of SDXL's, `{"text_embeds": [n, c], "time_ids": [n, k]}`: what the prompts come to as a whole, and numbers about the pictures.
            down_block_additional_residuals, mid_block_additional_residual: what `ControlNetModel.forward` gave.
            walk: an `impasto._core.UNetWalk`, the same for all steps of a walk: what they may give up for speed.
            stop: an `impasto._core.StopFlag`.

        Returns the guess [n, out_channels, h, w] as `.sample`, or in a tuple. Raises ValueError for shapes that do not fit and
        NotImplementedError for arguments that this UNet does not have.
        """
        refuse_extras(
            class_labels=class_labels,
            timestep_cond=timestep_cond if self.config.time_cond_proj_dim is None else None,
            attention_mask=attention_mask,
            down_intrablock_additional_residuals=down_intrablock_additional_residuals,
            encoder_attention_mask=encoder_attention_mask,
        )
        if (down_block_additional_residuals is None) != (mid_block_additional_residual is None):
            raise NotImplementedError("down_block_additional_residuals and mid_block_additional_residual go together, as ControlNets give them; T2I adapters' residuals are not supported")
        core = self._core_at(lora_scale(cross_attention_kwargs))
        x, context = to_numpy(sample), to_numpy(encoder_hidden_states)
        down = [to_numpy(r) for r in down_block_additional_residuals or ()]
        mid = None if mid_block_additional_residual is None else to_numpy(mid_block_additional_residual)
        added = added_conditions(self.config, added_cond_kwargs)
        pictures = self._embeds_of(added_cond_kwargs)
        told = None if timestep_cond is None else to_numpy(timestep_cond)
        shown = lambda of: [] if pictures is None else self._ip_adapters.shown([p[of] for p in pictures], stop)  # noqa: E731
        times, places = distinct_times(timestep, len(x))
        if len(times) == 1:
            out = core.forward(x, times[0], context, stop, down, mid, walk, added, shown(slice(None)), told)
        else:  # images at different noise levels
            one = lambda i: (stop, [d[i : i + 1] for d in down], None if mid is None else mid[i : i + 1], None, image_of(added, i), shown(slice(i, i + 1)), None if told is None else told[i : i + 1])  # noqa: E731
            out = np.concatenate([core.forward(x[i : i + 1], times[k], context[i : i + 1], *one(i)) for i, k in enumerate(places)])
        out = like(out, sample)
        return UNet2DConditionOutput(sample=out) if return_dict else (out,)

    __call__ = forward

    def enable_freeu(self, s1: float, s2: float, b1: float, b2: float) -> None:
        raise NotImplementedError("enable_freeu: Impasto does not have FreeU yet; draw with diffusers' own UNet where you need it, or leave it out")

    disable_freeu = accepted("disable_freeu")
    set_default_attn_processor = accepted("set_default_attn_processor")

    _adapters: Any = None  # adapters.Adapters, once there are any
    _ip_adapters: Any = None  # ip_adapters.IpAdapters, likewise

    @property
    def encoder_hid_proj(self) -> Any:
        """The IP-Adapters, as diffusers has them; None where there are none."""
        return self._ip_adapters

    def _embeds_of(self, added: dict[str, Any] | None) -> list[np.ndarray] | None:
        """The pictures' embeddings of a call. Raises ValueError for those that no IP-Adapter takes, and where there are none for the IP-Adapters."""
        embeds = (added or {}).get("image_embeds")
        if self._ip_adapters is None:
            if embeds is not None:
                raise ValueError("image_embeds are given, and this UNet has no IP-Adapter that takes them; load_ip_adapter() first")
            return None
        if embeds is None:
            raise ValueError("this UNet has IP-Adapters, which require `image_embeds` to be passed in `added_cond_kwargs`: pass ip_adapter_image, or unload_ip_adapter()")
        return [to_numpy(e) for e in embeds] if isinstance(embeds, (list, tuple)) else [to_numpy(embeds)[:, None]]  # as diffusers still takes it

    def _core_at(self, scale: float) -> Any:
        core = self._ready()
        return core if self._adapters is None else self._adapters.at(scale)["unet"]

    def _move(self, place: devices.Place) -> None:
        super()._move(place)
        for adapters in (self._adapters, self._ip_adapters):
            if adapters is not None:
                adapters.follow()

    def _let_go(self) -> None:
        super()._let_go()
        for adapters in (self._adapters, self._ip_adapters):
            if adapters is not None:
                adapters.let_go()


def lora_scale(cross_attention_kwargs: dict[str, Any] | None) -> float:
    """The number that adapters' scales are multiplied by. Raises NotImplementedError for what other attention would draw otherwise by."""
    if cross_attention_kwargs is not None and not isinstance(cross_attention_kwargs, dict):
        raise TypeError(f"cross_attention_kwargs has to be a dictionary, but is {type(cross_attention_kwargs)}")
    for name in set(cross_attention_kwargs or ()) - {"scale"}:
        if name in ("gligen", "ip_adapter_masks"):
            raise NotImplementedError(f"cross_attention_kwargs {name!r} is not supported; there is `scale`, of adapters")
        say_once(f"cross_attention_kwargs {name!r} is not one that attention knows, and is left unused")
    scale = (cross_attention_kwargs or {}).get("scale")
    return 1.0 if scale is None else float(scale)


class AutoencoderKL(Model):
    """The autoencoder between pictures and latents (Kingma and Welling, 2014; Esser et al., 2021), as `diffusers.AutoencoderKL`."""

    _core_class = _core.VaeModel
    _defaults = {"scaling_factor": 0.18215, "latent_channels": 4, "in_channels": 3, "out_channels": 3, "block_out_channels": (64,), "shift_factor": None}

    use_tiling = False

    @classmethod
    def from_single_file(cls, pretrained_model_link_or_path_or_dict: Any, *, config: Any = None, torch_dtype: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        """The VAE in a single file, of it alone or of a whole checkpoint, in diffusers' or the first releases' layout. A link to the Hub is fetched.

        `config`: a folder with its config.json, or a checkpoint's in the diffusers layout (or its name on the Hub); without, what shapes do not tell is as
        in the published models. Raises OSError for files that are missing, damaged or hold none."""
        return cls._from_single_file("vae", pretrained_model_link_or_path_or_dict, config, dtype if dtype is not None else torch_dtype, kwargs)

    def decode(self, z: Any, return_dict: bool = True, generator: Any = None, *, stop: Any = None) -> Any:
        """Latents [n, c, h, w], divided by `config.scaling_factor`, to pixels [n, 3, 8h, 8w], about -1..1, as `.sample`."""
        out = like(self._ready().decode(to_numpy(z), stop, self.use_tiling), z)
        return DecoderOutput(sample=out) if return_dict else (out,)

    def encode(self, x: Any, return_dict: bool = True, *, stop: Any = None) -> Any:
        """Pixels [n, 3, H, W] in -1..1 to their posterior, as `.latent_dist` with `.sample(generator)`, `.mode()`, `.mean` and `.std`."""
        posterior = DiagonalGaussianDistribution(self._ready().encode(to_numpy(x), stop, self.use_tiling), x)
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    enable_slicing = accepted("enable_slicing")
    disable_slicing = accepted("disable_slicing")

    def enable_tiling(self, use_tiling: bool = True) -> None:
        """Pictures larger than the VAE's own sample size go through it in squares that overlap and fade into each other: less memory, another picture by a little."""
        self.use_tiling = use_tiling

    def disable_tiling(self) -> None:
        self.use_tiling = False


class StableDiffusionSafetyChecker(Model):
    """The checker that SD 1.x was published with, as `diffusers.pipelines.stable_diffusion.StableDiffusionSafetyChecker`. Its weights are read when it is first called."""

    _core_class = _core.SafetyModel

    def __init__(self, core: Any, config: dict[str, Any], folder: str | None = None, place: devices.Place | None = None, wished: str | None = None):
        super().__init__(core, config, folder, place, wished)
        self._lock = threading.Lock()

    def _loaded(self) -> Any:
        with self._lock:
            if self._core is None:
                self._core = _core.SafetyModel.load(self._folder, **self._place._asdict())
            return self._ready()

    def _move(self, place: devices.Place) -> None:
        with self._lock:
            if self._core is not None:
                super()._move(place)

    def clip_input(self, pictures: list[Any]) -> np.ndarray:
        """PIL pictures to [n, 3, 224, 224], as transformers' CLIPImageProcessor makes them."""
        return np.concatenate([self._loaded().clip_input(np.ascontiguousarray(np.asarray(p.convert("RGB")))) for p in pictures])

    def forward(self, clip_input: Any, images: Any, *, stop: Any = None) -> tuple[Any, list[bool]]:
        """The images (an array or tensor [n, ...]; what is flagged is zeros) and whether each is flagged."""
        flagged = self._loaded().flags(to_numpy(clip_input), stop)
        for i, flag in enumerate(flagged):
            if flag:
                images[i] = images[i] * 0
        if any(flagged):
            logger.warning("Potential NSFW content was detected in one or more images. A black image will be returned instead. Try again with a different prompt and/or seed.")
        return images, flagged

    __call__ = forward

