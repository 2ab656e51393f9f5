"""ControlNets, called as diffusers calls them: one, or several whose answers are added up."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np

from . import _core
from .arrays import like, to_numpy
from .models import Model, added_conditions, distinct_times, image_of, refuse_extras
from .outputs import ControlNetOutput


class ControlNetModel(Model):
    """A network that makes a UNet follow a picture (Zhang et al., 2023), as `diffusers.ControlNetModel`. Several threads may use it at once."""

    _core_class = _core.ControlNetModel
    _defaults = {"in_channels": 4, "conditioning_channels": 3, "cross_attention_dim": 1280, "global_pool_conditions": False, "controlnet_conditioning_channel_order": "rgb", "addition_embed_type": None}

    @classmethod
    def from_single_file(cls, pretrained_model_link_or_path_or_dict: Any, *, config: Any = None, torch_dtype: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
        """The ControlNet in a single file, in diffusers' or the first releases' layout: safetensors, `.pth` or `.ckpt`. A link to the Hub is fetched.

        `config`: a folder with its config.json, or with that of the checkpoint that it was made for (or its name on the Hub); without, what shapes do not
        tell is as in the published models. Raises OSError for files that are missing, damaged or hold none."""
        return cls._from_single_file("controlnet", pretrained_model_link_or_path_or_dict, config, dtype if dtype is not None else torch_dtype, kwargs)

    def forward(
        self,
        sample: Any,
        timestep: Any,
        encoder_hidden_states: Any,
        controlnet_cond: Any,
        conditioning_scale: float = 1.0,
        class_labels: Any = None,
        timestep_cond: Any = None,
        attention_mask: Any = None,
        added_cond_kwargs: dict[str, Any] | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        guess_mode: bool = False,
        return_dict: bool = True,
        *,
        stop: Any = None,
    ) -> Any:
        """What to add to the UNet for a sample.

        Args:
            sample, timestep, encoder_hidden_states, added_cond_kwargs: as the UNet gets them.
            controlnet_cond: the picture to follow, [n or 1, 3, 8h, 8w] in 0..1.
            conditioning_scale: what the answer is multiplied by.
            guess_mode: from a tenth of it for the first skip up to all of it for the middle.
            stop: an `impasto._core.StopFlag`.

        Returns `.down_block_res_samples`, a tensor for each of the UNet's skips, and `.mid_block_res_sample`, or both in a tuple. Raises ValueError for
        shapes that do not fit and NotImplementedError for arguments that this network does not have.
        """
        refuse_extras(class_labels=class_labels, timestep_cond=timestep_cond, attention_mask=attention_mask, cross_attention_kwargs=cross_attention_kwargs or None)
        x, context, picture = to_numpy(sample), to_numpy(encoder_hidden_states), to_numpy(controlnet_cond)
        times, places = distinct_times(timestep, len(x))
        core, more = self._ready(), added_conditions(self.config, added_cond_kwargs)
        if len(times) == 1:
            down, mid = core.forward(x, times[0], context, picture, conditioning_scale, stop, more)
        else:
            each = [core.forward(x[i : i + 1], times[k], context[i : i + 1], picture[i if len(picture) > 1 else 0][None], conditioning_scale, stop, image_of(more, i)) for i, k in enumerate(places)]
            down, mid = [np.concatenate(skips) for skips in zip(*(d for d, _ in each))], np.concatenate([m for _, m in each])
        if guess_mode:
            scales = np.logspace(-1, 0, len(down) + 1, dtype=np.float32)
            down, mid = [d * s for d, s in zip(down, scales)], mid * scales[-1]
        down, mid = [like(d, sample) for d in down], like(mid, sample)
        return ControlNetOutput(down_block_res_samples=tuple(down), mid_block_res_sample=mid) if return_dict else (down, mid)

    __call__ = forward


class MultiControlNetModel:
    """Several ControlNets, as `diffusers.MultiControlNetModel`: `nets` in order, their answers added up."""

    def __init__(self, controlnets: Sequence[ControlNetModel]):
        self.nets = list(controlnets)

    @property
    def dtype(self) -> Any:
        return self.nets[0].dtype

    @property
    def device(self) -> Any:
        return self.nets[0].device

    def to(self, *args: Any, **kwargs: Any) -> "MultiControlNetModel":
        for net in self.nets:
            net.to(*args, **kwargs)
        return self

    @classmethod
    def from_pretrained(cls, pretrained_model_path: str | os.PathLike, **kwargs: Any) -> "MultiControlNetModel":
        """Opens the folders PATH, PATH_1, PATH_2 and so on. Raises ValueError when there is none."""
        first, nets = os.fspath(pretrained_model_path), []
        while os.path.isdir(folder := first if not nets else f"{first}_{len(nets)}"):
            nets.append(ControlNetModel.from_pretrained(folder, **kwargs))
        if not nets:
            raise ValueError(f"No ControlNets found under {os.path.dirname(first)}. Expected at least {first}.")
        return cls(nets)

    def forward(self, sample: Any, timestep: Any, encoder_hidden_states: Any, controlnet_cond: list[Any], conditioning_scale: list[float], **kwargs: Any) -> tuple[list[Any], Any]:
        """As ControlNetModel.forward, with a picture and a scale for each; gives both parts in a tuple."""
        if not len(controlnet_cond) == len(conditioning_scale) == len(self.nets):
            raise ValueError(f"there are {len(controlnet_cond)} pictures and {len(conditioning_scale)} scales for {len(self.nets)} ControlNets")
        kwargs.pop("return_dict", None)
        answers = [net.forward(sample, timestep, encoder_hidden_states, picture, scale, return_dict=False, **kwargs) for net, picture, scale in zip(self.nets, controlnet_cond, conditioning_scale)]
        return added([down for down, _ in answers], [mid for _, mid in answers])

    __call__ = forward


def added(downs: list[list[Any]], mids: list[Any]) -> tuple[list[Any], Any]:
    """The sums over ControlNets."""
    return [sum(skips[1:], skips[0]) for skips in zip(*downs)], sum(mids[1:], mids[0])


def nets_of(net: Any) -> list[Any]:
    """The ControlNets of a pipeline's part `controlnet`: one, or those of a MultiControlNetModel."""
    return net.nets if isinstance(net, MultiControlNetModel) else [net]
