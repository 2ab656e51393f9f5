"""What belongs to one call of a pipeline, so that several threads can call the same object."""

from __future__ import annotations

import threading
from typing import Any

from .. import _core
from .extras import Extras


class Call:
    """The state of one call: what diffusers keeps on the pipeline itself."""

    def __init__(self, **settings: Any):
        self._guidance_scale: float = 0.0
        self._guidance_rescale: float = 0.0
        self._clip_skip: int | None = None
        self._cross_attention_kwargs: dict[str, Any] | None = None
        self._denoising_start: float | None = None
        self._denoising_end: float | None = None
        self._num_timesteps: int = 0
        self._interrupt: bool = False
        self.scheduler: Any = None
        self.extras = Extras()
        self.texts: Any = None  # texts.Texts, once the prompts are encoded
        self.time_ids: Any = None  # numbers about the pictures, [1, k], for the prompt's side and the negative prompt's, where the model takes them
        self.pictures: Any = None  # what IP-Adapters show, [2n or n, pictures, ...] for each
        self.told: Any = None  # the guidance scale, [n, k], to a UNet that is told it
        self.walk: Any = None  # what the UNet keeps from step to step
        self.control: Any = None  # control.Control, of the call's ControlNets
        self.clean: Any = None  # gives the clean latents that the last step spoke of, while a callback runs
        self.stop = _core.StopFlag()
        self.__dict__.update(settings)


class Calls:
    """The calls of one pipeline: each thread sees its own, or its last."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._lock = threading.Lock()
        self.running: set[Call] = set()

    @property
    def current(self) -> Call:
        if not hasattr(self._local, "call"):
            self._local.call = Call()
        return self._local.call

    def begin(self, call: Call) -> None:
        if (stop := self.next_stop) is not None:
            call.stop = stop
        self._local.call = call
        with self._lock:
            self.running.add(call)

    def end(self, call: Call) -> None:
        call.scheduler = call.clean = call.texts = call.walk = call.pictures = None
        with self._lock:
            self.running.discard(call)

    @property
    def next_stop(self) -> Any:
        """A flag that stops this thread's next call."""
        return getattr(self._local, "stop", None)

    @next_stop.setter
    def next_stop(self, flag: Any) -> None:
        self._local.stop = flag

    def interrupt(self, value: bool) -> None:
        """For every call that runs, whichever thread it is in: a button is not pressed in the thread that draws."""
        with self._lock:
            for call in self.running | {self.current}:
                call._interrupt = value


class PerCall:
    """An attribute of a pipeline whose value is its current call's."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, pipe: Any, owner: type | None = None) -> Any:
        return self if pipe is None else getattr(pipe._calls.current, self._name)

    def __set__(self, pipe: Any, value: Any) -> None:
        setattr(pipe._calls.current, self._name, value)
