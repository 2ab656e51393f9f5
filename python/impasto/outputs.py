"""What calls return: fields by name, by index and by position, as diffusers' outputs."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np


class Output:
    """A dataclass that also unpacks: `output.images`, `output["images"]` and `output[0]` are the same; fields that are None do not count."""

    def to_tuple(self) -> tuple:
        return tuple(value for _, value in self._items())

    def _items(self) -> list[tuple[str, Any]]:
        return [(f.name, getattr(self, f.name)) for f in fields(self) if f.init and getattr(self, f.name) is not None]  # type: ignore[arg-type]

    def keys(self) -> list[str]:
        return [name for name, _ in self._items()]

    def __getitem__(self, key: Any) -> Any:
        return dict(self._items())[key] if isinstance(key, str) else self.to_tuple()[key]

    def __iter__(self) -> Any:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._items())


@dataclass
class StableDiffusionXLPipelineOutput(Output):
    """Pictures of a call.

    Attributes:
        images: list of PIL pictures, or an array [n, height, width, 3] in 0..1 ("np"), or a tensor [n, 3, height, width] ("pt"), or latents.
        settings: what the pictures were made with; not part of the tuple.
    """

    images: Any
    settings: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False, kw_only=True)

    def _pictures(self) -> list[Any]:
        if isinstance(self.images, list):
            return [image for image in self.images if hasattr(image, "save")]
        return []

    def _repr_html_(self) -> str | None:
        pictures = self._pictures()
        if not pictures:
            return None
        lines = "".join(f"<div><b>{html.escape(str(k))}</b>: {html.escape(str(v))}</div>" for k, v in self.settings.items() if v is not None)
        tags = "".join(f'<img style="margin:2px" src="data:image/png;base64,{base64.b64encode(_png(p)).decode()}">' for p in pictures)
        return f'<div>{tags}</div><div style="font-size:85%">{lines}</div>'

    def _repr_png_(self) -> bytes | None:
        pictures = self._pictures()
        return _png(pictures[0]) if len(pictures) == 1 else None


@dataclass
class StableDiffusionPipelineOutput(StableDiffusionXLPipelineOutput):
    """The same with `nsfw_content_detected`: what the safety checker said of each picture, or None where the pipeline has none."""

    nsfw_content_detected: list[bool] | None


def _png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass
class SchedulerOutput(Output):
    prev_sample: Any
    pred_original_sample: Any = None


@dataclass
class UNet2DConditionOutput(Output):
    sample: Any = None


@dataclass
class ControlNetOutput(Output):
    down_block_res_samples: Any
    mid_block_res_sample: Any


@dataclass
class DecoderOutput(Output):
    sample: Any


@dataclass
class AutoencoderKLOutput(Output):
    latent_dist: "DiagonalGaussianDistribution"


@dataclass
class TextEncoderOutput(Output):
    last_hidden_state: Any


@dataclass
class CLIPVisionModelOutput(Output):
    image_embeds: Any


@dataclass
class TextEncoderProjectionOutput(Output):
    text_embeds: Any
    last_hidden_state: Any


class DiagonalGaussianDistribution:
    """The posterior of a picture (Kingma and Welling, 2014). `parameters`: [n, 2c, h, w], the mean before the log variance."""

    def __init__(self, parameters: np.ndarray, example: Any = None):
        self._example = example
        self._mean, logvar = np.split(parameters, 2, axis=1)
        self._std = np.exp(np.float32(0.5) * np.clip(logvar, -30.0, 20.0))

    @property
    def mean(self) -> Any:
        from .arrays import like

        return like(self._mean, self._example)

    @property
    def std(self) -> Any:
        from .arrays import like

        return like(self._std, self._example)

    def mode(self) -> Any:
        return self.mean

    def sample(self, generator: Any = None) -> Any:
        from .arrays import check_generator, like, randn

        return like(self._mean + self._std * randn(self._mean.shape, check_generator(generator)), self._example)
