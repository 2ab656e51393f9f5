"""Inpainting: what is white in a mask is drawn anew."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from PIL import Image

from .. import image_processor
from ..arrays import to_numpy
from .call import Call
from .control import NOT_LED
from .image_to_image import first_step, sample_latents, steps_to_run
from .extras import Extras
from .stable_diffusion import Callbacks, StableDiffusionBase, start


class StableDiffusionInpaintPipeline(StableDiffusionBase):
    """Draws the white part of a mask anew, as `diffusers.StableDiffusionInpaintPipeline`: with models made for it (9 channels) or any other (4)."""

    _forced = {"steps_offset": 1, "skip_prk_steps": True}
    _callback_tensor_inputs = ["latents", "prompt_embeds", "negative_prompt_embeds", "mask", "masked_image_latents"]

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Any = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 1.0,
        num_inference_steps: int = 50,
        timesteps: list[int] | None = None,
        sigmas: list[float] | None = None,
        guidance_scale: float = 7.5,
        negative_prompt: str | list[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Any = None,
        latents: Any = None,
        prompt_embeds: Any = None,
        negative_prompt_embeds: Any = None,
        ip_adapter_image: Any = None,
        ip_adapter_image_embeds: Any = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws a picture's masked part.

        Args:
            image, mask_image: a picture and a mask of the same size; white is drawn anew, black stays.
            height, width: pixels of the result; the model's own size where they are left out.
            padding_mask_crop: draws only the mask's box and that many pixels around it, at full size, and puts it back (PIL pictures only).
            strength: how far to go from what is under the mask, 0..1; 1 starts from noise alone.
            others: as StableDiffusionPipeline has them.
        """
        led = kwargs.pop("_led", NOT_LED)
        extras = Extras.taken_from(kwargs)
        callbacks = Callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, kwargs)
        side = self.unet.config.sample_size
        height, width = (given or s * self.vae_scale_factor for given, s in zip((height, width), (side, side) if isinstance(side, int) else side))
        if strength < 0 or strength > 1:
            raise ValueError(f"The value of strength should in [0.0, 1.0] but is {strength}")
        self._check_size(height, width)
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas, ip_adapter_image=ip_adapter_image, ip_adapter_image_embeds=ip_adapter_image_embeds)
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        self._check_pictures(image, mask_image, padding_mask_crop, output_type)
        repeats = self._repeats(num_images_per_prompt)
        batch = self._batch_size(prompt, prompt_embeds) * repeats
        generator = self._check_generators(extras.generators(generator, batch), batch)
        call = Call(_guidance_scale=guidance_scale, _clip_skip=clip_skip, _cross_attention_kwargs=cross_attention_kwargs, control=led.control, scheduler=self._scheduler.copy(), extras=extras)
        self._check_fits(call, height, width, batch)
        num_inference_steps = self._begin_walk(call, num_inference_steps, timesteps, sigmas)
        first = first_step(call.scheduler, num_inference_steps, strength)

        box = None if padding_mask_crop is None else image_processor.crop_region(mask_image, width, height, padding_mask_crop)
        picture = image_processor.preprocess(_cropped(image, box, width, height), height, width, scale=self.vae_scale_factor, latent_channels=self.vae.config.latent_channels)
        mask = image_processor.preprocess(_cropped(mask_image, box, width, height), height, width, scale=self.vae_scale_factor, mask=True)

        self._calls.begin(call)
        try:
            embeds = self._embed(call, prompt, repeats, guidance_scale > 1, negative_prompt, prompt_embeds, negative_prompt_embeds, clip_skip)
            x, noise, clean = self._first_latents(call, picture, batch, height, width, generator, latents, first, strength)
            under, masked = self._mask_latents(call, mask, picture, masked_image_latents, batch, height, width, generator)
            twice = 2 if guidance_scale > 1 else 1
            more = {"mask": np.tile(under, (twice, 1, 1, 1)), "masked_image_latents": np.tile(masked, (twice, 1, 1, 1))}
            keep = None if clean is None else _keeper(call, clean, noise, batch)
            x = self._denoise(call, x, embeds, generator, eta, first, steps_to_run(num_inference_steps, strength), callbacks, more, keep)
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "strength": strength, "steps": num_inference_steps, "guidance_scale": guidance_scale}
            put_back = None if box is None else lambda drawn: image_processor.overlay(mask_image, image, drawn, box)
            return self._finish(call, x, output_type, return_dict, settings, put_back)
        finally:
            self._calls.end(call)

    def _check_pictures(self, image: Any, mask: Any, crop: int | None, output_type: str | None) -> None:
        if image is None:
            raise ValueError("`image` input cannot be undefined.")
        if mask is None:
            raise ValueError("`mask_image` input cannot be undefined.")
        if crop is not None:
            if not isinstance(image, Image.Image) or not isinstance(mask, Image.Image):
                raise ValueError(f"The image and the mask should be PIL pictures when inpainting a mask crop, but are of type {type(image)} and {type(mask)}.")
            if output_type != "pil":
                raise ValueError(f"The output type should be PIL when inpainting a mask crop, but is {output_type}.")
        if self.unet.config.in_channels not in (4, 9):
            raise ValueError(f"The unet {type(self.unet)} should have either 4 or 9 input channels, not {self.unet.config.in_channels}.")

    def _first_latents(self, call: Call, picture: np.ndarray, batch: int, height: int, width: int, generator: Any, latents: Any, first: int, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """What the walk begins with, its noise, and the picture's own latents where the loop needs them (models of 4 channels)."""
        channels = self.vae.config.latent_channels
        clean = None
        if self.unet.config.in_channels == 4 or (latents is None and strength < 1):
            clean = picture if picture.shape[1] == channels else self._encode_pictures(call, picture, generator)
            clean = np.tile(clean, (batch // len(clean), 1, 1, 1))
        noise = start(call, (batch, channels, height // self.vae_scale_factor, width // self.vae_scale_factor), generator, latents)
        if latents is None and strength < 1:
            x = call.scheduler._core.add_noise(clean, noise, first)
        else:
            x = noise * np.float32(call.scheduler.init_noise_sigma)
        return x, noise, clean if self.unet.config.in_channels == 4 else None

    def _encode_pictures(self, call: Call, pictures: np.ndarray, generator: Any) -> np.ndarray:
        if isinstance(generator, list):
            return np.concatenate([sample_latents(self, call, pictures[i : i + 1], generator[i]) for i in range(len(pictures))])
        return sample_latents(self, call, pictures, generator)

    def _mask_latents(self, call: Call, mask: np.ndarray, picture: np.ndarray, given: Any, batch: int, height: int, width: int, generator: Any) -> tuple[np.ndarray, np.ndarray]:
        """The mask at the latents' size and the latents of the picture without what is under it, one for each of the batch."""
        under = image_processor.resize_mask(mask, height // self.vae_scale_factor, width // self.vae_scale_factor)
        masked = to_numpy(given) if given is not None else picture * (mask < 0.5)
        if masked.shape[1] != self.vae.config.latent_channels:
            masked = self._encode_pictures(call, masked.astype(np.float32), generator)
        for name, x in (("masks", under), ("images", masked)):
            if batch % len(x) != 0:
                raise ValueError(f"{len(x)} {name} were passed for a batch of {batch}: make the batch a multiple of them")
        return np.tile(under, (batch // len(under), 1, 1, 1)), np.tile(masked, (batch // len(masked), 1, 1, 1))


def _keeper(call: Call, clean: np.ndarray, noise: np.ndarray, batch: int) -> Callable[[np.ndarray, int, dict[str, np.ndarray]], np.ndarray]:
    """Puts what is not under the mask back after each step, at the next noise level."""
    last = len(call.scheduler._core.timesteps) - 1

    def keep(latents: np.ndarray, place: int, names: dict[str, np.ndarray]) -> np.ndarray:
        mask = names["mask"][:batch]
        proper = clean if place == last else call.scheduler._core.add_noise(clean, noise, place + 1)
        return (1 - mask) * proper + mask * latents

    return keep


def _cropped(picture: Any, box: tuple[int, int, int, int] | None, width: int, height: int) -> Any:
    return picture if box is None else image_processor.fill(picture.crop(box), width, height)
