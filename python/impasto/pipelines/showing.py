"""Pictures as prompts, by diffusers' methods: IP-Adapters (Ye et al., 2023)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from .. import _core
from ..arrays import is_torch, like, public, to_numpy
from ..ip_adapters import CLIPVisionModelWithProjection, IpAdapters, config_text, tensors_of
from ..loading import component_folder, ip_adapter_file
from ..once import logger


class Showing:
    """Pipelines that share the UNet share its IP-Adapters, as in diffusers."""

    unet: Any
    image_encoder: Any
    feature_extractor: Any
    _folder: str | None
    _offload: Any

    def load_ip_adapter(self, pretrained_model_name_or_path_or_dict: Any, subfolder: Any, weight_name: Any, image_encoder_folder: str | None = "image_encoder", **kwargs: Any) -> None:
        """Attaches IP-Adapters, in place of any that are there: IP-Adapter, Plus and Full Face, in files of h94/IP-Adapter's layout.

        Args:
            pretrained_model_name_or_path_or_dict: a folder, a repository of the Hub, or the tensors `{"image_proj": {...}, "ip_adapter": {...}}`; a list for several.
            subfolder, weight_name: where the file is in it, and its name; lists for several.
            image_encoder_folder: where what looks at pictures is, in `subfolder`, or from the repository's root where it has a slash; None for none: pictures
                then come as `ip_adapter_image_embeds`. A pipeline that has an `image_encoder` keeps it.

        Raises OSError for files that are missing, damaged or made for another model, NotImplementedError for FaceID.
        """
        names = weight_name if isinstance(weight_name, list) else [weight_name]
        sources, folders = _as_many(pretrained_model_name_or_path_or_dict, names), _as_many(subfolder, names)
        if len(names) != len(sources):
            raise ValueError("`weight_name` and `pretrained_model_name_or_path_or_dict` must have the same length.")
        if len(names) != len(folders):
            raise ValueError("`weight_name` and `subfolder` must have the same length.")
        options, place = config_text(self.unet.config), self.unet._place._asdict()
        cores = []
        for source, folder, name in zip(sources, folders, names):
            if isinstance(source, dict):
                cores.append(_core.IpAdapterModel.from_weights(options, *tensors_of(source), **place))
            else:
                cores.append(_core.IpAdapterModel.load_file(ip_adapter_file(os.fspath(source), folder or "", name, kwargs), options, **place))
        encoder = self.image_encoder if self.image_encoder is not None else self._found_encoder(sources[0], folders[0] or "", image_encoder_folder, kwargs)
        self.unet._ip_adapters, self.image_encoder = IpAdapters(self.unet, cores), encoder

    def _found_encoder(self, source: Any, subfolder: str, folder: str | None, kwargs: dict[str, Any]) -> Any:
        if folder is None:
            logger.warning("image_encoder is not loaded since `image_encoder_folder=None` passed: pass pictures as `ip_adapter_image_embeds`")
            return None
        if isinstance(source, dict):
            raise ValueError("`image_encoder` cannot be loaded because `pretrained_model_name_or_path_or_dict` is a state dict.")
        inside = folder if "/" in folder else os.path.join(subfolder, folder)
        encoder = CLIPVisionModelWithProjection.from_pretrained(component_folder(os.fspath(source), inside, kwargs), device=self.unet._place.device, dtype=self.unet._wished)
        encoder._offload = self._offload
        return encoder

    def set_ip_adapter_scale(self, scale: Any) -> None:
        """How much the pictures count beside the text, a number for each IP-Adapter, or `{"down": {"block_2": [0.0, 1.0]}, "mid": 1.0, "up": {"block_0": [0.0, 1.0, 0.0]}}`
        for a number in each of the UNet's attentions, 0 in those that it does not speak of. Raises ValueError where there is no IP-Adapter."""
        if self.unet._ip_adapters is None:
            raise ValueError("set_ip_adapter_scale: this pipeline has no IP-Adapter; load_ip_adapter() first")
        self.unet._ip_adapters.set_scales(scale)

    def unload_ip_adapter(self) -> None:
        """Takes them off, and the image encoder with them."""
        self.unet._ip_adapters = None
        self.image_encoder = None
        if not hasattr(self, "safety_checker"):
            self.feature_extractor = None

    def encode_image(self, image: Any, device: Any = None, num_images_per_prompt: int = 1, output_hidden_states: bool | None = None, *, stop: Any = None) -> tuple[Any, Any]:
        """Pictures (PIL, arrays, or a tensor of `pixel_values`), one or a list, as IP-Adapters take them, and what stands for none: embeddings [n, c], or with
        `output_hidden_states` states [n, tokens, c]. Each comes `num_images_per_prompt` times. Raises ValueError where there is no image encoder."""
        if self.image_encoder is None:
            raise ValueError("ip_adapter_image: this pipeline has no image_encoder to look at pictures; pass one to load_ip_adapter (image_encoder_folder), or pass ip_adapter_image_embeds")
        x = self._pixels(image)
        if not isinstance(self.image_encoder, CLIPVisionModelWithProjection):
            embeds, nothing = self._by_other(x, output_hidden_states)
        elif output_hidden_states:
            embeds, nothing = (self.image_encoder.penultimate_states(pixels, stop=stop) for pixels in (x, np.zeros_like(x)))
        else:
            embeds = self.image_encoder(x, stop=stop).image_embeds
            nothing = np.zeros_like(embeds)
        embeds, nothing = (np.repeat(e, num_images_per_prompt, axis=0) for e in (embeds, nothing))
        return (like(embeds, image), like(nothing, image)) if is_torch(image) else (public(embeds), public(nothing))

    def _pixels(self, image: Any) -> np.ndarray:
        if is_torch(image):
            return to_numpy(image)
        pictures = [p if isinstance(p, Image.Image) else Image.fromarray(np.asarray(p)) for p in (image if isinstance(image, list) else [image])]
        if isinstance(self.image_encoder, CLIPVisionModelWithProjection):
            return self.image_encoder.clip_input(pictures)
        if self.feature_extractor is None:
            raise ValueError("image_encoder is not Impasto's, and there is no feature_extractor to make pixel_values for it: pass one to the pipeline")
        return to_numpy(self.feature_extractor(pictures, return_tensors="pt").pixel_values)

    def _by_other(self, x: np.ndarray, states: bool | None) -> tuple[np.ndarray, np.ndarray]:
        """By an image encoder of transformers."""
        if not states:
            embeds = to_numpy(self.image_encoder(public(x)).image_embeds)
            return embeds, np.zeros_like(embeds)
        seen, nothing = (to_numpy(self.image_encoder(public(pixels), output_hidden_states=True).hidden_states[-2]) for pixels in (x, np.zeros_like(x)))
        return seen, nothing

    def prepare_ip_adapter_image_embeds(self, ip_adapter_image: Any, ip_adapter_image_embeds: Any, device: Any = None, num_images_per_prompt: int = 1, do_classifier_free_guidance: bool = True) -> list[Any]:
        """For each IP-Adapter the embeddings that the UNet takes, [n, pictures, ...], those of the negative half first. Raises ValueError as diffusers."""
        return [public(e) for e in self._shown(ip_adapter_image, ip_adapter_image_embeds, num_images_per_prompt, do_classifier_free_guidance)]

    def _shown(self, image: Any, image_embeds: Any, repeats: int, guided: bool, stop: Any = None) -> list[np.ndarray]:
        adapters = self._checked_adapters(image, image_embeds)
        both: list[tuple[np.ndarray | None, np.ndarray]] = []  # the negative half, and the other
        if image_embeds is None:
            images = image if isinstance(image, list) else [image]
            if len(images) != len(adapters):
                raise ValueError(f"`ip_adapter_image` must have same length as the number of IP Adapters. Got {len(images)} images and {len(adapters)} IP Adapters.")
            for each, adapter in zip(images, adapters):
                embeds, nothing = (to_numpy(e)[None] for e in self.encode_image(each, None, 1, adapter.takes_states, stop=stop))
                both.append((nothing, embeds))
        else:
            for each in image_embeds:
                e = to_numpy(each)
                both.append(tuple(np.split(e, 2)) if guided else (None, e))  # type: ignore[arg-type]
        halves = [(negative, e) if guided else (e,) for negative, e in both]
        return [np.concatenate([np.concatenate([half] * repeats) for half in each]) for each in halves]  # type: ignore[list-item]

    def _checked_adapters(self, image: Any, image_embeds: Any) -> list[Any]:
        if image is not None and image_embeds is not None:
            raise ValueError("Provide either `ip_adapter_image` or `ip_adapter_image_embeds`. Cannot leave both `ip_adapter_image` and `ip_adapter_image_embeds` defined.")
        if self.unet._ip_adapters is None:
            raise ValueError("ip_adapter_image: this pipeline has no IP-Adapter; load_ip_adapter() first")
        if image_embeds is not None and not isinstance(image_embeds, list):
            raise ValueError(f"`ip_adapter_image_embeds` has to be of type `list` but is {type(image_embeds)}")
        if image_embeds is not None and image_embeds[0].ndim not in (3, 4):
            raise ValueError(f"`ip_adapter_image_embeds` has to be a list of 3D or 4D tensors but is {image_embeds[0].ndim}D")
        return self.unet._ip_adapters.image_projection_layers

    def _pictures(self, image: Any, image_embeds: Any, batch: int, guided: bool, stop: Any) -> list[np.ndarray] | None:
        """Of a call: None where it shows none."""
        if image is None and image_embeds is None:
            return None
        return self._shown(image, image_embeds, batch, guided, stop)


def _as_many(value: Any, names: list[Any]) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return values * len(names) if len(values) == 1 else values
