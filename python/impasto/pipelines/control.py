"""ControlNets in a call: their pictures, scales, and the share of the walk in which each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from .. import image_processor
from ..arrays import is_torch
from ..controlnet import ControlNetModel, MultiControlNetModel, nets_of
from ..controlnet import added as summed
from .texts import added_conditions


class Control:
    """The ControlNets of one call. `pictures`: [batch, 3, h, w] in 0..1 for each of them."""

    def __init__(self, net: ControlNetModel | MultiControlNetModel, pictures: list[np.ndarray], scales: list[float], starts: list[float], ends: list[float], guess_mode: bool, name: str):
        self.name = name  # what callbacks call the pictures
        self._several = isinstance(net, MultiControlNetModel)
        self._nets = nets_of(net)
        self._pictures, self._scales, self._starts, self._ends, self._guess_mode = pictures, scales, starts, ends, guess_mode
        self._first = self._steps = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self._pictures[0].shape[2:]  # type: ignore[return-value]

    def require_size(self, size: tuple[int, int]) -> None:
        """Raises ValueError where the pictures are not as large as what is drawn."""
        if tuple(self.size) != tuple(size):
            raise ValueError(f"control_image is {self.size[1]} x {self.size[0]} pixels, and what is drawn {size[1]} x {size[0]}: pass height and width, which bring both to one size")

    def begin(self, first: int, end: int, guided: bool) -> Any:
        """The walk goes over places first..end - 1. Returns the pictures as callbacks see them."""
        self._first, self._steps = first, end - first
        twice = guided and not self._guess_mode
        pictures = [np.concatenate([p, p]) if twice else p for p in self._pictures]
        return pictures if self._several else pictures[0]

    def _scale_at(self, k: int, place: int) -> float:
        """As diffusers counts: nothing before the start, or where the step would pass the end."""
        i, n = place - self._first, self._steps
        return 0.0 if i / n < self._starts[k] or (i + 1) / n > self._ends[k] else self._scales[k]

    def residuals(self, x: np.ndarray, place: int, names: dict[str, Any], guided: bool, call: Any) -> dict[str, Any]:
        """What the UNet is given at a place of the walk, by its arguments' names; nothing where no ControlNet counts."""
        context, pictures, added = names["prompt_embeds"], names[self.name], added_conditions(names)
        only_prompt = self._guess_mode and guided  # the negative half is left alone
        if only_prompt:
            x, context = x[len(x) // 2 :], context[len(context) // 2 :]
            added = None if added is None else {name: rows[len(rows) // 2 :] for name, rows in added.items()}
        downs, mids = [], []
        for k, (net, picture) in enumerate(zip(self._nets, pictures if self._several else [pictures])):
            scale = self._scale_at(k, place)
            if scale == 0:
                continue
            down, mid = net.forward(x, call.scheduler._core.timesteps[place], context, picture[-len(x) :], scale, added_cond_kwargs=added, guess_mode=self._guess_mode, return_dict=False, stop=call.stop)
            downs.append(down)
            mids.append(mid)
        if not mids:
            return {}
        down, mid = summed(downs, mids)
        if only_prompt:
            down, mid = [np.concatenate([np.zeros_like(d), d]) for d in down], np.concatenate([np.zeros_like(mid), mid])
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}


@dataclass
class Led:
    """What a pipeline adds to the call of the pipeline that it is made of."""

    control: Control | None = None
    latents: Any = None  # to begin with, as they are
    height: int | None = None
    width: int | None = None
    scheduler: Any = None  # instead of the pipeline's
    strength: float | None = None  # that the walk has been made for: all of it is run


NOT_LED = Led()


def prepare(net: Any, image: Any, prompt: Any, prompt_embeds: Any, repeats: int, scale: Any, start: Any, end: Any, guess_mode: bool, name: str, size: tuple[int | None, int | None], box: Any = None) -> Control:
    """The control of a call. Raises what diffusers raises: TypeError for pictures and scales of the wrong kind, ValueError for wrong counts and ranges."""
    several = isinstance(net, MultiControlNetModel)
    count = len(nets_of(net))
    images = _check_images(image, count, several)
    starts, ends = _check_range(start, end, count)
    scales = _check_scales(scale, count, several)
    prompts = len(prompt) if isinstance(prompt, list) else 1 if prompt is not None else len(prompt_embeds) if prompt_embeds is not None else 1
    pictures = []
    for each in images:
        _check_image(each, prompts)
        cropped = each if box is None else image_processor.fill(each.crop(box), size[1], size[0])
        x = image_processor.preprocess(cropped, *size, normalize=False)
        pictures.append(np.repeat(x, prompts * repeats if len(x) == 1 else repeats, axis=0))
    if len({p.shape[2:] for p in pictures}) > 1:
        raise ValueError(f"the pictures of the ControlNets have different sizes, {[p.shape[2:] for p in pictures]}: pass height and width, or pictures of one size")
    return Control(net, pictures, scales, starts, ends, guess_mode, name)


def _check_images(image: Any, count: int, several: bool) -> list[Any]:
    if not several:
        return [image]
    if not isinstance(image, list):
        raise TypeError("For multiple controlnets: `image` must be type `list`")
    if any(isinstance(i, list) for i in image):  # for each prompt a list with a picture for each ControlNet
        image = [list(t) for t in zip(*image)]
    if len(image) != count:
        raise ValueError(f"For multiple controlnets: `image` must have the same length as the number of controlnets, but got {len(image)} images and {count} ControlNets.")
    return image


def _check_image(image: Any, prompts: int) -> None:
    first = image[0] if isinstance(image, list) and image else image
    if not (isinstance(first, (Image.Image, np.ndarray)) or is_torch(first)):
        raise TypeError(f"image must be passed and be one of PIL image, numpy array, torch tensor, or a list of one kind of them, but is {type(image)}")
    n = 1 if isinstance(image, Image.Image) else len(image)
    if n not in (1, prompts):
        raise ValueError(f"If image batch size is not 1, image batch size must be same as prompt batch size. image batch size: {n}, prompt batch size: {prompts}")


def _check_scales(scale: Any, count: int, several: bool) -> list[float]:
    if not several:
        if not isinstance(scale, float):
            raise TypeError(f"For single controlnet: `controlnet_conditioning_scale` must be type `float`, but is {type(scale)}.")
        return [scale]
    if not isinstance(scale, list):
        return [float(scale)] * count
    if any(isinstance(s, list) for s in scale):
        raise ValueError("controlnet_conditioning_scale is a list of lists: scales are the same for a whole batch")
    if len(scale) != count:
        raise ValueError(f"controlnet_conditioning_scale has {len(scale)} scales for {count} ControlNets")
    return [float(s) for s in scale]


def _check_range(start: Any, end: Any, count: int) -> tuple[list[float], list[float]]:
    if isinstance(start, (list, tuple)) or isinstance(end, (list, tuple)):
        start = list(start) if isinstance(start, (list, tuple)) else [start] * len(end)
        end = list(end) if isinstance(end, (list, tuple)) else [end] * len(start)
    else:
        start, end = [start] * count, [end] * count
    if len(start) != len(end) or (count > 1 and len(start) != count):  # one ControlNet takes the first of a list
        raise ValueError(f"`control_guidance_start` has {len(start)} elements and `control_guidance_end` {len(end)}, for {count} ControlNets")
    for s, e in zip(start, end):
        if not 0 <= s < e <= 1:
            raise ValueError(f"control guidance goes from {s} to {e}; start has to be at least 0, end larger than it and at most 1")
    return start, end
