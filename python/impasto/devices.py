"""Where networks compute, and in what: what `.to()`, `device=`, `device_map=` and `torch_dtype=` mean."""

from __future__ import annotations

import threading
from typing import Any, Iterable, NamedTuple, Sequence

from . import _core

PLACED = ("unet", "text_encoder", "vae")  # the engine places these; the safety checker goes with the VAE, ControlNets with the UNet, a second text encoder with the first
_DTYPES = ("float32", "float16", "bfloat16")
_BEST = ("auto", "balanced")


class Place(NamedTuple):
    """A device and its arithmetic, by the engine's names."""

    device: str = "cpu"
    dtype: str = "float32"


def find(device: str = "auto", wished: str | None = None) -> Place:
    """The place that a device and a wish for a dtype come to. float16 is computed in float32 on a CPU without AVX512-FP16.

    Raises RuntimeError, as torch, for a device that is not there or does not compute in that dtype."""
    try:
        return Place(*_core.find_device(device, wished or "auto"))
    except (NotImplementedError, ValueError) as error:
        raise RuntimeError(str(error)) from None


def dtype_name(dtype: Any) -> str | None:
    """torch's dtype, or its name, as a wish; None for none. Raises ValueError for others."""
    name = str(dtype).removeprefix("torch.")
    if dtype is None or name == "auto":
        return None
    if name not in _DTYPES:
        raise ValueError(f"dtype {dtype} is not supported: use float32, float16 or bfloat16")
    return name


def device_name(device: Any) -> str | None:
    """A torch.device, a number of a GPU, or a name; None for none."""
    if device is None:
        return None
    if isinstance(device, int) and not isinstance(device, bool):
        return f"cuda:{device}"
    return str(device)


def asked(args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[str | None, str | None]:
    """What `.to(...)` asks for, in any of torch's ways: a device and a wish for a dtype, None for what it does not name."""
    device, wished = kwargs.get("device"), kwargs.get("dtype", kwargs.get("torch_dtype"))
    for arg in args:
        if isinstance(arg, bool) or arg is None:
            continue  # non_blocking
        if hasattr(arg, "dtype") and hasattr(arg, "device"):  # a tensor: to be where it is
            device, wished = arg.device, arg.dtype
        elif str(arg).removeprefix("torch.") in _DTYPES or type(arg).__name__ == "dtype":
            wished = arg
        else:
            device = arg
    return device_name(device), dtype_name(wished)


def taken(kwargs: dict[str, Any]) -> tuple[dict[str, Place], dict[str, str | None]]:
    """Places and wishes for dtypes of the parts that a checkpoint is loaded as; takes `device`, `device_map`, `dtype` and `torch_dtype` out of the arguments.

    Raises ValueError for parts that there are not."""
    device, device_map = kwargs.pop("device", None), kwargs.pop("device_map", None)
    dtype, torch_dtype = kwargs.pop("dtype", None), kwargs.pop("torch_dtype", None)
    devices = _each("device_map", device if device is not None else device_map, device_name)
    wishes = _each("torch_dtype", dtype if dtype is not None else torch_dtype, dtype_name)
    return {name: find("auto" if devices[name] in (None, *_BEST) else devices[name], wishes[name]) for name in PLACED}, wishes


def _each(option: str, value: Any, read: Any) -> dict[str, Any]:
    """A value for all parts, or one for each by name, others "default"."""
    if not isinstance(value, dict):
        return dict.fromkeys(PLACED, read(value))
    unknown = set(value) - {*PLACED, "default", "", "safety_checker", "controlnet", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler", "feature_extractor"}
    if unknown:
        raise ValueError(f"{option} has {', '.join(sorted(map(str, unknown)))}; its parts are {', '.join(PLACED)} and default")
    return {name: read(value.get(name, value.get("default", value.get("")))) for name in PLACED}


def as_options(places: dict[str, Place]) -> dict[str, str]:
    """Places of all parts as the engine's loaders take them."""
    return {option: ",".join(f"{name}={getattr(places[name], option)}" for name in PLACED) for option in Place._fields}


def public_device(place: Place) -> Any:
    """A torch.device if the program uses torch and torch knows it, else the name."""
    from .arrays import torch_if_used

    torch = torch_if_used()
    try:
        return place.device if torch is None else torch.device(place.device)
    except RuntimeError:
        return place.device


def public_dtype(place: Place) -> Any:
    """torch's dtype if the program uses torch, else its name."""
    from .arrays import torch_if_used

    torch = torch_if_used()
    return place.dtype if torch is None else getattr(torch, place.dtype)


class Offload:
    """Networks that take turns on a device: those that are used together, group by group. One is built there when it is needed, and the others go."""

    def __init__(self, groups: Iterable[Iterable[Any]]):
        self._groups = [list(group) for group in groups]
        self._current: list[Any] | None = None
        self._lock = threading.Lock()

    def enter(self, model: Any) -> None:
        with self._lock:
            if self._current is not None and any(m is model for m in self._current):
                return
            self._leave([group for group in self._groups if not any(m is model for m in group)])
            self._current = next((group for group in self._groups if any(m is model for m in group)), None)

    def leave(self) -> None:
        """Empties the device."""
        with self._lock:
            self._leave(self._groups)
            self._current = None

    @staticmethod
    def _leave(groups: list[list[Any]]) -> None:
        for group in groups:
            for model in group:
                model._let_go()
