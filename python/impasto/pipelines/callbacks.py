"""A caller's hooks into the loop."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ..arrays import public, to_numpy, torch_if_used
from ..once import say_once


class Callbacks:
    """A caller's hooks after a step, diffusers' of today and of old."""

    def __init__(self, on_step_end: Any, tensor_inputs: list[str] | None, kwargs: dict[str, Any]):
        self._on_step_end = on_step_end
        self.tensor_inputs = list(getattr(on_step_end, "tensor_inputs", tensor_inputs) or [])  # PipelineCallback names its own
        self._old = kwargs.pop("callback", None)
        self.steps = kwargs.pop("callback_steps", None)
        for name in kwargs:  # as in diffusers, where it is not even said
            say_once(f"{name}= is not an argument of this call, and is left unused")
        if self._old is not None:
            say_once("`callback` is the old way: consider `callback_on_step_end`")

    def step_end(self, pipe: Any, step: int, timestep: Any, names: dict[str, Any]) -> None:
        if self._on_step_end is None:
            return
        given = {k: _each(public, names[k]) for k in self.tensor_inputs}
        returned = self._on_step_end(pipe, step, _public_time(timestep), given)
        for key, value in (returned or {}).items():
            if key in names and value is not None:
                names[key] = _each(to_numpy, value)

    def old_style(self, step: int, order: int, timestep: Any, latents: np.ndarray) -> None:
        if self._old is not None and step % (self.steps or 1) == 0:
            self._old(step // order, _public_time(timestep), public(latents))


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """Several ControlNets have a list of pictures."""
    return None if value is None else [change(v) for v in value] if isinstance(value, list) else change(value)


def _public_time(t: Any) -> Any:
    torch = torch_if_used()
    return t if torch is None else torch.tensor(t)
