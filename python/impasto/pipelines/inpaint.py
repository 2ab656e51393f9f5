"""Inpainting: what is white in a mask is drawn anew."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .. import image_processor
from .call import Call
from .callbacks import Callbacks
from .control import NOT_LED
from .extras import Extras
from .image_to_image import first_step, steps_to_run
from .masking import Masking, cropped, keeper
from .stable_diffusion import StableDiffusionBase


class StableDiffusionInpaintPipeline(Masking, StableDiffusionBase):
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
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas)
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
        picture = image_processor.preprocess(cropped(image, box, width, height), height, width, scale=self.vae_scale_factor, latent_channels=self.vae.config.latent_channels)
        mask = image_processor.preprocess(cropped(mask_image, box, width, height), height, width, scale=self.vae_scale_factor, mask=True)

        self._calls.begin(call)
        try:
            call.pictures = self._pictures(ip_adapter_image, ip_adapter_image_embeds, batch, self._guides(guidance_scale), call.stop)
            embeds = self._embed(call, prompt, repeats, self._guides(guidance_scale), negative_prompt, prompt_embeds, negative_prompt_embeds, clip_skip)
            x, noise, clean = self._first_latents(call, picture, batch, height, width, generator, latents, first, strength)
            under, masked = self._mask_latents(call, mask, picture, masked_image_latents, batch, height, width, generator)
            twice = 2 if self._guides(guidance_scale) else 1
            more = {"mask": np.tile(under, (twice, 1, 1, 1)), "masked_image_latents": np.tile(masked, (twice, 1, 1, 1))}
            keep = None if clean is None else keeper(call, clean, noise, batch)
            x = self._denoise(call, x, embeds, generator, eta, first, steps_to_run(num_inference_steps, strength), callbacks, more, keep)
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "strength": strength, "steps": num_inference_steps, "guidance_scale": guidance_scale}
            put_back = None if box is None else lambda drawn: image_processor.overlay(mask_image, image, drawn, box)
            return self._finish(call, x, output_type, return_dict, settings, put_back)
        finally:
            self._calls.end(call)
