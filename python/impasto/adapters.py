"""Adapters of a checkpoint, as diffusers' pipelines name, choose and mix them."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import threading
from typing import Any, NamedTuple

import numpy as np

from . import devices
from .arrays import to_numpy
from .loading import adapter_file
from .once import logger


class Adapters:
    """The adapters of one UNet and its text encoders. The networks change in place, so every pipeline that shares them sees the same."""

    def __init__(self, core: Any, unet: Any, text_encoders: dict[str, Any]):
        self._core, self._unet, self._text_encoders = core, unet, text_encoders
        self._networks = {"unet": unet, **text_encoders}
        self._files: dict[str, Any] = {}  # name -> path, or the temporary file that tensors were written to
        self._active: dict[str, Scales] = {}
        self._fused: list[tuple[Any, Scales]] | None = None
        self._fused_names: set[str] = set()
        self._enabled = True
        self._lock = threading.Lock()
        self._scaled: tuple[Any, dict[str, Any]] | None = None  # the last scale that a call asked for and where, and its networks

    def load(self, source: Any, name: str | None, options: dict[str, Any]) -> None:
        if name is None:
            name = f"default_{len(self._files)}"
        if name in self._files:
            raise ValueError(f"Adapter name {name} already in use in the model - please select a new adapter name.")
        file = _written(source) if isinstance(source, dict) else adapter_file(os.fspath(source), options)
        before = dict(self._active)
        self._files[name], self._active = file, {name: Scales()}
        try:
            self._merge()
        except Exception:
            del self._files[name]
            self._active = before
            raise

    def choose(self, names: str | list[str], weights: Any) -> None:
        names = [names] if isinstance(names, str) else list(names)
        self._require(names)
        weights = list(weights) if isinstance(weights, (list, tuple)) else [weights] * len(names)
        if len(weights) != len(names):
            raise ValueError(f"Length of adapter names {len(names)} is not equal to the length of the weights {len(weights)}")
        self._active = {name: _scales(weight) for name, weight in zip(names, weights)}
        self._enabled = True
        self._merge()

    def delete(self, names: str | list[str]) -> None:
        names = [names] if isinstance(names, str) else list(names)
        self._require(names)
        for name in names:
            del self._files[name]
            self._active.pop(name, None)
        self._merge()

    def clear(self) -> None:
        self._files, self._active = {}, {}
        self._merge()

    def enable(self, enabled: bool) -> None:
        self._enabled = enabled
        self._merge()

    def fuse(self, scale: float, names: list[str] | None) -> None:
        if names is not None:
            self._require(names)
        chosen = self._active if names is None else {name: self._active.get(name, Scales()) for name in names}
        self._fused = [(self._files[name], scales.times(scale)) for name, scales in chosen.items()]
        self._fused_names = set(chosen)
        self._merge()

    def unfuse(self) -> None:
        self._fused, self._fused_names = None, set()
        self._merge()

    def fused_names(self) -> set[str]:
        return set(self._fused_names)

    def names(self) -> list[str]:
        return list(self._files)

    def active_names(self) -> list[str]:
        return list(self._active)

    def _require(self, names: list[str]) -> None:
        missing = set(names) - set(self._files)
        if missing:
            raise ValueError(f"Adapter name(s) {missing} not in the list of present adapters: {set(self._files)}.")

    def at(self, scale: float) -> dict[str, Any]:
        """The engine's networks, by name, with all adapters `scale` times as strong, for one call; what is fused stays. The last scale's are kept."""
        with self._lock:
            if scale == 1 or self._fused is not None or not self._active or not self._enabled:
                return {name: network._core for name, network in self._networks.items()}
            key = (scale, *(network._place for network in self._networks.values()))
            if self._scaled is None or self._scaled[0] != key:
                parts = self._merged([(self._files[name], scales.times(scale)) for name, scales in self._active.items()]).components()
                self._scaled = (key, {name: parts[name] for name in self._networks})
            return self._scaled[1]

    def follow(self) -> None:
        """Goes where the networks are."""
        unet, text = self._unet._place, next(iter(self._text_encoders.values()))._place
        self._core = self._core.with_device(**devices.as_options({"unet": unet, "text_encoder": text, "vae": unet}))  # no VAE is built of it

    def let_go(self) -> None:
        """Drops what was made for a scale of one call's."""
        with self._lock:
            self._scaled = None

    def _merge(self) -> None:
        if self._fused is not None:
            used = self._fused
        else:
            used = [(self._files[name], scales) for name, scales in self._active.items()] if self._enabled else []
        merged = self._merged(used)
        for warning in merged.warnings():
            logger.warning("%s", warning)
        parts = merged.components()
        with self._lock:
            for name, network in self._networks.items():
                network._core = parts[name]
            self._scaled = None
        plain = self._core.components()  # in nobody's hands any more
        for name in self._networks:
            plain[name].unload()

    def _merged(self, used: list[tuple[Any, "Scales"]]) -> Any:
        self.follow()
        return self._core.with_loras([(getattr(file, "name", file), *scales) for file, scales in used])


class Scales(NamedTuple):
    """Of one adapter, by network; the last one of a second text encoder."""

    unet: float = 1.0
    text_encoder: float = 1.0
    text_encoder_2: float = 1.0

    def times(self, scale: float) -> "Scales":
        return Scales(*(scale * each for each in self))


def _scales(weight: Any) -> Scales:
    if weight is None:
        return Scales()
    if not isinstance(weight, dict):
        return Scales(*[float(weight)] * 3)
    unknown = set(weight) - set(Scales._fields)
    if unknown:
        raise ValueError(f"Got invalid key(s) {sorted(unknown)} in the weights of an adapter; there are {', '.join(Scales._fields)}")
    if isinstance(weight.get("unet"), dict):
        raise NotImplementedError("scales for single blocks of the UNet are not there; give one for all of it")
    return Scales(**{name: float(scale) for name, scale in weight.items()})


def _written(tensors: dict[str, Any]) -> Any:
    """Tensors by name as a safetensors file that lives as long as the object."""
    header: dict[str, Any] = {}
    parts, end = [], 0
    for name, tensor in tensors.items():
        data = np.ascontiguousarray(to_numpy(tensor), np.float32)
        header[name] = {"dtype": "F32", "shape": list(data.shape), "data_offsets": [end, end + data.nbytes]}
        end += data.nbytes
        parts.append(data.tobytes())
    text = json.dumps(header).encode()
    file = tempfile.NamedTemporaryFile(prefix="impasto-adapter-", suffix=".safetensors")
    file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    file.flush()
    return file
