"""Text to picture with Stable Diffusion XL."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .callbacks import Callbacks
from .control import NOT_LED
from .extras import Extras
from .stable_diffusion import start
from .xl import PictureNumbers, Prompts, StableDiffusionXLBase


class StableDiffusionXLPipeline(StableDiffusionXLBase):
    """Draws from text (Podell et al., 2023), as `diffusers.StableDiffusionXLPipeline`: same arguments, defaults, exceptions, and the same picture for the
    same `torch.Generator`."""

    _settings = ("force_zeros_for_empty_prompt",)

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        unet: Any,
        scheduler: Any,
        image_encoder: Any = None,
        feature_extractor: Any = None,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
    ):
        super().__init__(
            vae, text_encoder, text_encoder_2, tokenizer, tokenizer_2, unet, scheduler, image_encoder, feature_extractor,
            force_zeros_for_empty_prompt=force_zeros_for_empty_prompt, add_watermarker=add_watermarker,
        )  # fmt: skip

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        timesteps: list[int] | None = None,
        sigmas: list[float] | None = None,
        denoising_end: float | None = None,
        guidance_scale: float = 5.0,
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
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws a picture for each prompt, `num_images_per_prompt` times.

        Args:
            prompt_2, negative_prompt_2: what the second text encoder reads, where that is to be another text.
            denoising_end: the share of the walk after which it ends, for a refiner to go on from the latents (`output_type="latent"`) with the same
                number as `denoising_start`.
            pooled_prompt_embeds, negative_pooled_prompt_embeds: with `prompt_embeds`: all four are what `encode_prompt` gives.
            original_size, crops_coords_top_left, target_size: of the picture that is wanted, (height, width) and (top, left); without, as it is drawn. Those
                of the negative prompt count where `negative_original_size` and `negative_target_size` are given, both.
            others: as StableDiffusionPipeline has them.
        """
        led = kwargs.pop("_led", NOT_LED)
        extras = Extras.taken_from(kwargs)
        callbacks = Callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, kwargs)
        side = self.unet.config.sample_size
        height, width = (asked or s * self.vae_scale_factor for asked, s in zip((height, width), (side, side) if isinstance(side, int) else side))
        self._check_size(height, width)
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas)
        prompts = Prompts(prompt, prompt_2, negative_prompt, negative_prompt_2, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds, negative_pooled_prompt_embeds)
        call, batch, generator = self._prepare(prompts, generator, num_images_per_prompt, extras, _guidance_scale=guidance_scale, _guidance_rescale=guidance_rescale, _clip_skip=clip_skip, _cross_attention_kwargs=cross_attention_kwargs, control=led.control, _denoising_end=denoising_end)  # fmt: skip
        self._check_fits(call, height, width, batch)
        num_inference_steps = self._begin_walk(call, num_inference_steps, timesteps, sigmas)

        self._calls.begin(call)
        try:
            call.pictures = self._pictures(ip_adapter_image, ip_adapter_image_embeds, batch, self._guides(guidance_scale), call.stop)
            embeds = self._embed_all(call, prompts, self._repeats(num_images_per_prompt), self._guides(guidance_scale), clip_skip)
            numbers = PictureNumbers(original_size, crops_coords_top_left, target_size, negative_original_size, negative_crops_coords_top_left, negative_target_size)
            call.time_ids = self._text_ids(numbers, (height, width), embeds.pooled)
            shape = (batch, self.unet.config.in_channels, height // self.vae_scale_factor, width // self.vae_scale_factor)
            x = start(call, shape, generator, latents) * np.float32(call.scheduler.init_noise_sigma)
            x = self._denoise(call, x, embeds, generator, eta, 0, num_inference_steps, callbacks, end=self._end(call, 0))
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "steps": num_inference_steps, "guidance_scale": guidance_scale, "size": f"{width} x {height}"}
            return self._finish(call, x, output_type, return_dict, settings)
        finally:
            self._calls.end(call)

    def _text_ids(self, n: PictureNumbers, size: tuple[int, int], pooled: np.ndarray) -> tuple[list[float], list[float]]:
        """As diffusers, which looks at the negative prompt's numbers only where both of its sizes are given."""
        ids = self._checked_ids([*(n.original_size or size), *n.crops_coords_top_left, *(n.target_size or size)], pooled)
        if n.negative_original_size is None or n.negative_target_size is None:
            return ids, ids
        return ids, self._checked_ids([*n.negative_original_size, *n.negative_crops_coords_top_left, *n.negative_target_size], pooled)
