"""IP-Adapters (Ye et al., 2023): what a UNet has of them, and what looks at pictures for them."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any

import numpy as np

from . import _core
from .arrays import is_torch, like, to_numpy
from .models import Model
from .outputs import CLIPVisionModelOutput


class CLIPVisionModelWithProjection(Model):
    """What looks at pictures for IP-Adapters, as `transformers.CLIPVisionModelWithProjection`. Several threads may use it at once."""

    _core_class = _core.ImageEncoderModel
    _defaults = {"image_size": 224, "projection_dim": 512, "hidden_size": 768}

    def clip_input(self, pictures: list[Any]) -> np.ndarray:
        """PIL pictures to [n, 3, side, side], as transformers' CLIPImageProcessor makes them."""
        return np.concatenate([self._ready().clip_input(np.ascontiguousarray(np.asarray(p.convert("RGB")))) for p in pictures])

    def forward(self, pixel_values: Any, *, stop: Any = None) -> CLIPVisionModelOutput:
        """pixel_values [n, 3, side, side] to `.image_embeds`, [n, projection_dim]."""
        return CLIPVisionModelOutput(image_embeds=like(self._ready().embeds(to_numpy(pixel_values), stop), pixel_values))

    __call__ = forward

    def penultimate_states(self, pixel_values: Any, *, stop: Any = None) -> Any:
        """The same to what transformers has as `hidden_states[-2]`, [n, tokens, hidden_size]."""
        return like(self._ready().states(to_numpy(pixel_values), stop), pixel_values)


class IpAdapter:
    """One of a UNet's, and how much it counts: for all of its cross-attentions, or for each."""

    def __init__(self, core: Any):
        self.core, self.takes_states, self.scales = core, core.takes_states, [1.0]


class IpAdapters:
    """Those of one UNet, in order; pipelines that share the UNet share them. What they make of pictures is kept for the next call with the same."""

    def __init__(self, unet: Any, cores: list[Any]):
        self._unet = unet
        self.image_projection_layers = [IpAdapter(core) for core in cores]
        self._known: deque[tuple[list[np.ndarray], list[list[float]], list[Any]]] = deque(maxlen=4)
        self._lock = threading.Lock()

    @property
    def num_ip_adapters(self) -> int:
        return len(self.image_projection_layers)

    def shown(self, embeds: list[np.ndarray], stop: Any = None) -> list[Any]:
        """What the UNet attends to beside the text, of embeddings [n, pictures, ...] for each IP-Adapter. Raises ValueError where they do not fit."""
        adapters = self.image_projection_layers
        if len(embeds) != len(adapters):
            raise ValueError(f"image_embeds must have the same length as image_projection_layers, got {len(embeds)} and {len(adapters)}")
        scales = [list(a.scales) for a in adapters]
        with self._lock:
            for known, at, shown in self._known:
                if at == scales and all(np.array_equal(a, b) for a, b in zip(known, embeds)):
                    return shown
        shown = [a.core.show(e, s, stop) for a, e, s in zip(adapters, embeds, scales) if any(s)]
        with self._lock:
            self._known.append(([e.copy() for e in embeds], scales, shown))
        return shown

    def set_scales(self, scales: Any) -> None:
        """As diffusers' `set_ip_adapter_scale`."""
        scales = scales if isinstance(scales, list) else [scales]
        if len(scales) != len(self.image_projection_layers):
            raise ValueError(f"Cannot assign {len(scales)} scale_configs to {len(self.image_projection_layers)} IP-Adapter.")
        for adapter, each in zip(self.image_projection_layers, [by_attention(self._unet.config, scale) for scale in scales]):
            adapter.scales = each

    def follow(self) -> None:
        """To the device that the UNet is on."""
        self._forget()
        for adapter in self.image_projection_layers:
            adapter.core = adapter.core.with_device(*self._unet._place)

    def let_go(self) -> None:
        self._forget()
        for adapter in self.image_projection_layers:
            adapter.core.unload()

    def _forget(self) -> None:
        with self._lock:
            self._known.clear()


def config_text(config: Any) -> str:
    """A UNet's config, as the engine reads it."""
    return json.dumps(dict(config), default=str)


def by_attention(config: Any, scale: Any) -> list[float]:
    """A number as it is; `{"down": {"block_2": [0.0, 1.0]}, "mid": 1.0, "up": ...}` as a number for each cross-attention, 0 for those that it does not
    speak of, as in diffusers. Raises ValueError for blocks that the UNet does not have, and for lists of another length than a block has layers."""
    if not isinstance(scale, dict):
        return [float(scale)]
    places = [name.split(".") for name in _core.cross_attention_names(config_text(config))]
    layers = sorted({(p[0], int(p[1]), int(p[3])) for p in places if p[0] != "mid_block"})
    said: dict[tuple[str, int, int], float] = {}
    for side, value in scale.items():
        if side == "mid":
            said["mid_block", 0, 0] = _one(value, "mid")
            continue
        if side not in ("down", "up"):
            raise ValueError(f"a scale is said for {side!r}; there are down, mid and up")
        blocks = {block for kind, block, _ in layers if kind == f"{side}_blocks"}
        each = {int(k.removeprefix("block_")): v for k, v in value.items()} if isinstance(value, dict) else dict.fromkeys(blocks, value)
        for block, scales in each.items():
            there = [layer for layer in layers if layer[:2] == (f"{side}_blocks", block)]
            if not there:
                raise ValueError(f"a scale is said for {side}.block_{block}, which does not exist in this UNet or has no attentions")
            said.update(zip(there, _spread(scales, len(there), f"{side}.block_{block}")))
    return [said.get(("mid_block", 0, 0) if p[0] == "mid_block" else (p[0], int(p[1]), int(p[3])), 0.0) for p in places]


def _one(value: Any, name: str) -> float:
    return _spread(value, 1, name)[0]


def _spread(value: Any, count: int, name: str) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if len(values) not in (1, count):
        raise ValueError(f"Expected {count} scales for {name}, got {len(values)}.")
    return [float(v) for v in values] * (count // len(values))


def tensors_of(state: dict[str, Any]) -> tuple[list[tuple[str, str, tuple[int, ...], int]], list[Any]]:
    """The tensors of `{"image_proj": {...}, "ip_adapter": {...}}` as the engine takes them, and what keeps their memory. Raises ValueError for other
    dictionaries."""
    if "image_proj" not in state and "ip_adapter" not in state:
        raise ValueError("Required keys are (`image_proj` and `ip_adapter`) missing from the state dict.")
    tensors, kept = [], []
    for part in ("image_proj", "ip_adapter"):
        for name, tensor in state.get(part, {}).items():
            half = str(tensor.dtype).endswith("float16") and not str(tensor.dtype).endswith("bfloat16")
            array = np.ascontiguousarray(tensor.detach().cpu().numpy() if is_torch(tensor) else tensor) if half else to_numpy(tensor)
            tensors.append((f"{part}.{name}", str(array.dtype), array.shape, array.ctypes.data))
            kept.append(array)
    return tensors, kept
