"""Schedulers under diffusers' names: settings that a pipeline draws with, and a walk that can be taken by hand.

    pipe.scheduler = impasto.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=True)

The algorithms are the engine's, each of which names its paper (docs/schedulers.md).
"""

from __future__ import annotations

import inspect
import json
import os
from typing import Any

import numpy as np

from . import _core
from .arrays import check_generator, like, public, randn, to_numpy
from .config import FrozenDict, read_config
from .once import say_once
from .outputs import SchedulerOutput
from .scheduler_defaults import DEFAULTS


_NOT_JSON = (float("inf"), float("-inf"))  # defaults that JSON cannot say


class Scheduler:
    """A scheduler's settings and where its walk is. Made of keyword arguments, `from_config` or `from_pretrained`.

    `config` has every setting, those left to their defaults too. Settings of other schedulers are carried along, so that switching there and
    back loses nothing.
    """

    config_name = "scheduler_config.json"
    _compatibles = list(DEFAULTS)

    def __init__(self, _carried: dict[str, Any] | None = None, **settings: Any):
        """`_carried`: another scheduler's settings, which this one does not know."""
        settings = self._given = {**(_carried or {}), **settings}
        name = type(self).__name__
        defaulted = [k for k in DEFAULTS[name] if k not in settings]
        self.config = FrozenDict({**DEFAULTS[name], **settings, "_class_name": name, "_use_default_values": defaulted})
        self._core: Any = None
        self._next: int | None = None
        self._walk()  # settings out of range are told at once

    @classmethod
    def from_config(cls, config: Any, **settings: Any) -> "Scheduler":
        """A scheduler with the settings of another, of Impasto's or diffusers', or of a dictionary; keyword arguments change some.

        Raises ValueError for settings that are out of range."""
        if isinstance(config, Scheduler):
            config = config.config
        if isinstance(config, (str, os.PathLike)):
            return cls.from_pretrained(config, **settings)
        if config is None:
            raise ValueError("a config has to come first: `Class.from_config(pipe.scheduler.config)`")
        return cls._of({**_explicit(dict(config)), **settings})

    @classmethod
    def _of(cls, settings: dict[str, Any]) -> "Scheduler":
        known = DEFAULTS[cls.__name__]
        return cls(_carried={k: v for k, v in settings.items() if k not in known}, **{k: v for k, v in settings.items() if k in known})

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, subfolder: str | None = None, **settings: Any) -> "Scheduler":
        """The settings in a folder's scheduler_config.json, in the folder `scheduler` of a checkpoint or on the Hub."""
        from .loading import component_folder

        folder = component_folder(str(pretrained_model_name_or_path), subfolder, settings)
        options = {k: v for k, v in settings.items() if k in DEFAULTS[cls.__name__]}
        return cls.from_config(read_config(folder, cls.config_name), **options)

    def save_pretrained(self, save_directory: str | os.PathLike, **_: Any) -> None:
        """Writes scheduler_config.json."""
        os.makedirs(save_directory, exist_ok=True)
        with open(os.path.join(save_directory, self.config_name), "w", encoding="utf-8") as file:
            json.dump({k: v for k, v in self.config.items() if k != "_use_default_values" and v not in _NOT_JSON}, file, indent=2, sort_keys=True)
            file.write("\n")

    def _walk(self, **changed: Any) -> Any:
        name = type(self).__name__
        self._core = _core.Sampler(json.dumps({**self._given, **changed, "_class_name": name}, default=lambda array: np.asarray(array).tolist()), name)
        return self._core

    def copy(self) -> "Scheduler":
        """A scheduler of the same settings whose walk has not begun."""
        return self._of(self._given)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {json.dumps(dict(self.config), indent=2, sort_keys=True, default=str)}"

    @property
    def order(self) -> int:
        """Calls of the network for each step of `set_timesteps`."""
        return self._core.order

    @property
    def init_noise_sigma(self) -> float:
        """What standard normal latents are multiplied by to begin."""
        return self._core.init_noise_sigma

    @property
    def timesteps(self) -> Any:
        """What the UNet is called with, in order."""
        return public(self._times())

    @property
    def sigmas(self) -> Any:
        """Noise levels, where the algorithm works with them, and the last."""
        return public(np.array(self._core.sigmas, np.float32))

    def _times(self) -> np.ndarray:
        times = np.array(self._core.timesteps, np.float64)
        if type(self).__name__ == "DPMSolverSDEScheduler":
            return times  # float64 in diffusers, too
        return times.astype(np.int64) if np.all(times == np.round(times)) and not _fractional(type(self).__name__) else times.astype(np.float32)

    def set_timesteps(
        self, num_inference_steps: int | None = None, device: Any = None, *, timesteps: Any = None, sigmas: Any = None, original_inference_steps: int | None = None, strength: float = 1.0, **more: Any
    ) -> None:
        """Begins a walk of that many steps, or over `timesteps` or `sigmas` of one's own, downwards; sigmas with the one that the walk ends at.

        original_inference_steps: LCM and TCD, in the place of the config's.
        strength: LCM and TCD; below 1 the walk enters so far down. Of steps all are taken, on the shorter way; of `timesteps` the last.

        Raises ValueError when the scheduler cannot take that many, or takes no such lists, as diffusers' class: EulerDiscreteScheduler takes both;
        DDPM's, Heun's, DPM-Solver's (single and multistep), LCM's and TCD's timesteps."""
        name = type(self).__name__
        own = {"timesteps": timesteps, "sigmas": sigmas}
        given = [key for key, values in own.items() if values is not None]
        _refuse_more(more)
        changed = {} if original_inference_steps is None else _distilled_with(self, original_inference_steps, num_inference_steps)
        later = strength not in (None, 1)
        if later and name not in _DISTILLED:
            raise TypeError(f"{name}.set_timesteps() got an unexpected keyword argument 'strength'")
        if not given and later:
            self._walk(**changed).set_own_timesteps(_entering_later({**self.config, **changed}, _steps(num_inference_steps), strength))
            self.num_inference_steps = num_inference_steps
        elif not given:
            self._walk(**changed).set_timesteps(_steps(num_inference_steps))
            self.num_inference_steps = num_inference_steps
        else:
            if len(given) > 1 or num_inference_steps is not None:
                raise ValueError("Can only pass one of `num_inference_steps` or `timesteps` or `sigmas`.")
            path = given[0]
            if path not in _OWN_PATHS.get(name, ()):
                raise ValueError(f"The current scheduler class {type(self)}'s `set_timesteps` does not support custom {path.replace('timesteps', 'timestep')} schedules; leave `timesteps` and `sigmas` out")
            values = [float(v) for v in to_numpy(own[path], np.float64).reshape(-1)]
            if name in _DISTILLED:
                _warn_of_untrained(self.config, values)
            steps = len(values) - (path == "sigmas")
            if later:
                values = values[len(values) - min(int(len(values) * strength), len(values)) :]
            getattr(self._walk(**changed), f"set_own_{path}")(values)
            self.num_inference_steps = steps
        self._next = None

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Says which of `timesteps` comes first, as picture to picture needs."""
        self._next = begin_index

    def index_of(self, timestep: Any) -> int:
        """Where a timestep is in the walk: the next place, where it occurs more than once. Raises ValueError when it is not there."""
        value = float(to_numpy(timestep, np.float64).reshape(-1)[0])
        places = np.flatnonzero(np.isclose(self._core.timesteps, value, rtol=1e-6, atol=1e-6))
        if len(places) == 0:
            raise ValueError(f"timestep {value:g} is not one of `timesteps`; pass what `set_timesteps` made")
        if self._next is None:
            return int(places[0])
        return int(next((p for p in places if p >= self._next), places[-1]))

    def scale_model_input(self, sample: Any, timestep: Any = None) -> Any:
        """What the UNet takes in the place of the latents at that timestep."""
        return like(self._core.scale_model_input(to_numpy(sample), self.index_of(timestep)), sample)

    def step(self, model_output: Any, timestep: Any, sample: Any, *, eta: float = 0.0, generator: Any = None, return_dict: bool = True, **_: Any) -> Any:
        """The latents after the step at `timestep`, from the UNet's output there, as `.prev_sample` or in a tuple."""
        out = self.advance(to_numpy(model_output), self.index_of(timestep), to_numpy(sample), check_generator(generator), eta)
        out = like(out, sample)
        return SchedulerOutput(prev_sample=out) if return_dict else (out,)

    def advance(self, output: np.ndarray, index: int, sample: np.ndarray, generator: Any, eta: float = 0.0) -> np.ndarray:
        """`step` by place in the walk, arrays only."""
        self._next = index + 1
        return self._core.step(output, index, sample, lambda shape: np.ascontiguousarray(randn(shape, generator), np.float32), eta)

    def add_noise(self, original_samples: Any, noise: Any, timesteps: Any) -> Any:
        """Clean latents at the noise level of `timesteps`, which must be one of the walk's."""
        return like(self._core.add_noise(to_numpy(original_samples), to_numpy(noise), self.index_of(timesteps)), original_samples)

    def __len__(self) -> int:
        return int(self.config.get("num_train_timesteps", 1000))


# As diffusers' classes; UniPC's takes sigmas for flow-matching models alone, which are not there.
_OWN_PATHS = {
    "DDPMScheduler": ("timesteps",), "EulerDiscreteScheduler": ("timesteps", "sigmas"), "HeunDiscreteScheduler": ("timesteps",), "DPMSolverMultistepScheduler": ("timesteps",),
    "DPMSolverSinglestepScheduler": ("timesteps",), "LCMScheduler": ("timesteps",), "TCDScheduler": ("timesteps",),
}  # fmt: skip
_DISTILLED = ("LCMScheduler", "TCDScheduler")


def _distilled_with(scheduler: Scheduler, original: int, steps: int | None) -> dict[str, Any]:
    """The config's fields for a distillation of other steps than its own. TCD, told so, may stop at every timestep of the training."""
    name, train = type(scheduler).__name__, scheduler.config["num_train_timesteps"]
    if name not in _DISTILLED:
        raise TypeError(f"{name}.set_timesteps() got an unexpected keyword argument 'original_inference_steps'")
    if not 1 <= original <= train:
        raise ValueError(f"`original_inference_steps` is {original}, and has to be 1 to num_train_timesteps, {train}")
    if steps is not None and steps > original:
        raise ValueError(f"`num_inference_steps`: {steps} cannot be larger than `original_inference_steps`: {original}")
    return {"original_inference_steps": original if name == "LCMScheduler" else train}


def _entering_later(config: dict[str, Any], steps: int, strength: float) -> list[float]:
    """The timesteps of a walk of `steps` over the first `strength` of those that the model was distilled with, as in diffusers. Raises ValueError."""
    original = config["original_inference_steps"]
    last = int(original * strength) if strength == strength else 0  # not a number
    if not 1 <= steps <= last <= original:
        raise ValueError(f"`num_inference_steps` is {steps}, and `original_inference_steps` x `strength`, {original} x {strength}, leaves {last} to choose from: make strength larger (up to 1), or take fewer steps")
    stride = config["num_train_timesteps"] // original
    return [float((last - np.floor(i * last / steps)) * stride - 1) for i in range(steps)]


def _warn_of_untrained(config: Any, timesteps: list[float]) -> None:
    original, train = config["original_inference_steps"], config["num_train_timesteps"]
    known = {i * (train // original) - 1 for i in range(1, original + 1)}
    strange = [f"{t:g}" for t in timesteps if t not in known]
    if strange:
        say_once(f"timesteps {', '.join(strange)} are none that the model was distilled with (every {train // original}th): results may be unexpected")


def _refuse_more(more: dict[str, Any]) -> None:
    for name, value in more.items():
        if name not in ("mu", "num_train_timesteps"):
            raise TypeError(f"set_timesteps() got an unexpected keyword argument {name!r}")
        if value not in (None, 1):
            raise NotImplementedError(f"set_timesteps: {name} is not supported; leave it out" + ("" if name == "mu" else ", and take `timesteps` of your own"))


def _fractional(name: str) -> bool:
    """Whether diffusers gives the timesteps of this class as float32 even where they are whole numbers."""
    return name in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler")


def _steps(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise TypeError(f"num_inference_steps has to be an int, but is {n!r}")
    return int(n)


def _explicit(config: dict[str, Any]) -> dict[str, Any]:
    """What somebody chose: another class's defaults do not come along, as diffusers has it."""
    left_out = set(config.get("_use_default_values") or ())
    return {k: v for k, v in config.items() if k not in left_out and not k.startswith("_")}


def _make(name: str) -> type:
    def __init__(self: Any, *args: Any, _carried: dict[str, Any] | None = None, **settings: Any) -> None:
        try:
            given = signature.bind(self, *args, **settings).arguments
        except TypeError as error:
            raise TypeError(f"{name}.__init__() {error}") from None
        given.pop("self")
        Scheduler.__init__(self, _carried, **given)

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += [inspect.Parameter(k, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=v) for k, v in DEFAULTS[name].items()]
    signature = inspect.Signature(parameters)
    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return type(name, (Scheduler,), {"__init__": __init__, "__module__": __name__, "__doc__": f"diffusers' {name}: its settings and their defaults."})


for _name in DEFAULTS:
    globals()[_name] = _make(_name)

__all__ = ["Scheduler", "from_any", *DEFAULTS]


def from_any(scheduler: Any) -> Scheduler:
    """A scheduler of Impasto's from one of Impasto's or diffusers'. Raises ValueError for what is none."""
    if isinstance(scheduler, Scheduler):
        return scheduler
    name, config = type(scheduler).__name__, getattr(scheduler, "config", None)
    if config is None or name not in DEFAULTS:
        raise ValueError(f"{type(scheduler)} is not a scheduler that Impasto has; there are {', '.join(DEFAULTS)}")
    return globals()[name].from_config(config)


def amend(scheduler: Scheduler, forced: dict[str, Any]) -> None:
    """Gives the object itself the settings that a pipeline of diffusers' forces on the scheduler that it is made with, since early checkpoints say them wrong."""
    wrong = {k: v for k, v in forced.items() if k in DEFAULTS[type(scheduler).__name__] and scheduler.config[k] != v}
    if wrong:
        Scheduler.__init__(scheduler, **{**scheduler._given, **wrong})


def named(class_name: str, config: dict[str, Any]) -> Scheduler:
    if class_name not in DEFAULTS:
        raise NotImplementedError(f"scheduler {class_name} is not one that Impasto has; there are {', '.join(DEFAULTS)}")
    return globals()[class_name].from_config(config)
