"""Inpainting with Stable Diffusion XL."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .. import image_processor
from .callbacks import Callbacks
from .control import NOT_LED
from .extras import Extras
from .masking import Masking, cropped, keeper
from .xl import PictureNumbers, Prompts, StableDiffusionXLBase


class StableDiffusionXLInpaintPipeline(Masking, StableDiffusionXLBase):
    """Draws the white part of a mask anew, as `diffusers.StableDiffusionXLInpaintPipeline`: with models made for it (9 channels) or any other (4)."""

    _callback_tensor_inputs = [*StableDiffusionXLBase._callback_tensor_inputs, "mask", "masked_image_latents"]

    @property
    def denoising_start(self) -> float | None:
        return self._denoising_start

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Any = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 0.9999,
        num_inference_steps: int = 50,
        timesteps: list[int] | None = None,
        sigmas: list[float] | None = None,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float = 7.5,
        negative_prompt: str | list[str] | None = None,
        negative_prompt_2: str | list[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Any = None,
        latents: Any = None,
        prompt_embeds: Any = None,
        negative_prompt_embeds: Any = None,
        pooled_prompt_embeds: Any = None,
        negative_pooled_prompt_embeds: Any = None,
        ip_adapter_image: Any = None,
        ip_adapter_image_embeds: Any = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        original_size: tuple[int, int] | None = None,
        crops_coords_top_left: tuple[int, int] = (0, 0),
        target_size: tuple[int, int] | None = None,
        negative_original_size: tuple[int, int] | None = None,
        negative_crops_coords_top_left: tuple[int, int] = (0, 0),
        negative_target_size: tuple[int, int] | None = None,
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws a picture's masked part.

        Args:
            image, mask_image, masked_image_latents, padding_mask_crop: as StableDiffusionInpaintPipeline has them.
            height, width: pixels of the result; the model's own size where they are left out.
            strength: how far to go from what is under the mask, 0..1; 1 starts from noise alone.
            others: as StableDiffusionXLImg2ImgPipeline has them.
        """
        led = kwargs.pop("_led", NOT_LED)
        extras = Extras.taken_from(kwargs)
        callbacks = Callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, kwargs)
        side = self.unet.config.sample_size
        height, width = (asked or s * self.vae_scale_factor for asked, s in zip((height, width), (side, side) if isinstance(side, int) else side))
        if strength < 0 or strength > 1:
            raise ValueError(f"The value of strength should in [0.0, 1.0] but is {strength}")
        self._check_size(height, width)
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas)
        self._check_pictures(image, mask_image, padding_mask_crop, output_type)
        prompts = Prompts(prompt, prompt_2, negative_prompt, negative_prompt_2, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds, negative_pooled_prompt_embeds)
        call, batch, generator = self._prepare(prompts, generator, num_images_per_prompt, extras, _guidance_scale=guidance_scale, _guidance_rescale=guidance_rescale, _clip_skip=clip_skip, _cross_attention_kwargs=cross_attention_kwargs, control=led.control, _denoising_start=denoising_start, _denoising_end=denoising_end)  # fmt: skip
        self._check_fits(call, height, width, batch)
        num_inference_steps = self._begin_walk(call, num_inference_steps, timesteps, sigmas)
        first, steps = self._first(call, num_inference_steps, strength)
        end = self._end(call, first)

        box = None if padding_mask_crop is None else image_processor.crop_region(mask_image, width, height, padding_mask_crop)
        picture = image_processor.preprocess(cropped(image, box, width, height), height, width, scale=self.vae_scale_factor, latent_channels=self.vae.config.latent_channels)
        mask = image_processor.preprocess(cropped(mask_image, box, width, height), height, width, scale=self.vae_scale_factor, mask=True)

        self._calls.begin(call)
        try:
            call.pictures = self._pictures(ip_adapter_image, ip_adapter_image_embeds, batch, self._guides(guidance_scale), call.stop)
            embeds = self._embed_all(call, prompts, self._repeats(num_images_per_prompt), self._guides(guidance_scale), clip_skip)
            numbers = PictureNumbers(original_size, crops_coords_top_left, target_size, negative_original_size, negative_crops_coords_top_left, negative_target_size, aesthetic_score, negative_aesthetic_score)  # fmt: skip
            call.time_ids = self._time_ids(numbers, (height, width), embeds.pooled)
            x, noise, clean = self._first_latents(call, picture, batch, height, width, generator, latents, first, strength, denoising_start is None)
            under, masked = self._mask_latents(call, mask, picture, masked_image_latents, batch, height, width, generator)
            twice = 2 if self._guides(guidance_scale) else 1
            more = {"mask": np.tile(under, (twice, 1, 1, 1)), "masked_image_latents": np.tile(masked, (twice, 1, 1, 1))}
            keep = None if clean is None else keeper(call, clean, noise, batch, end)
            x = self._denoise(call, x, embeds, generator, eta, first, steps, callbacks, more, keep, end)
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "strength": strength, "steps": num_inference_steps, "guidance_scale": guidance_scale}
            put_back = None if box is None else lambda drawn: image_processor.overlay(mask_image, image, drawn, box)
            return self._finish(call, x, output_type, return_dict, settings, put_back)
        finally:
            self._calls.end(call)
