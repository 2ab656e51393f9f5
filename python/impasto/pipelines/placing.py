"""Where a pipeline computes, and what saves memory, by diffusers' methods."""

from __future__ import annotations

from typing import Any

from .. import devices
from ..controlnet import nets_of
from ..models import Model
from ..once import accepted, say_once


class Placing:
    """Devices of the networks, which are built there when they are next called."""

    _components: tuple[str, ...]
    _core: Any
    _places: dict[str, devices.Place] | None
    _offload: devices.Offload | None
    unet: Any
    vae: Any

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
        found = {"unet": self.unet, "vae": self.vae, "text_encoder": next(iter(self._text_encoders().values()), None)}
        places = {name: getattr(part, "_place", (self._places or {}).get(name, self.unet._place)) for name, part in found.items()}
        if self._core is not None and self._places != places:
            self._core, self._places = self._core.with_device(**devices.as_options(places)), places
        return self._core

    @property
    def device(self) -> Any:
        return self.unet.device

    _execution_device = device
    hf_device_map = None

    def enable_model_cpu_offload(self, gpu_id: int | None = None, device: Any = None) -> None:
        """Networks take turns on a GPU: each is built there when it is needed, and what others hold is given back. Less memory, and each picture waits for it.

        Nothing happens where there is no GPU, and it is said once. Raises RuntimeError for a device that is not there."""
        name = devices.device_name(gpu_id if device is None else device) or "auto"
        if devices.find(name).device == "cpu":
            say_once("enable_model_cpu_offload() has nothing to do on a CPU: the networks are where they are used")
            return
        self.to(devices.find(name).device)
        self.remove_all_hooks()
        texts = [*self._text_encoders().values(), getattr(self, "image_encoder", None)]
        text, vae, checker = ([p for p in parts if isinstance(p, Model)] for parts in (texts, [self.vae], [getattr(self, "safety_checker", None)]))
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
