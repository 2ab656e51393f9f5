"""Text to picture."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .call import Call
from .callbacks import Callbacks
from .control import NOT_LED
from .extras import Extras
from .stable_diffusion import StableDiffusionBase, start


class StableDiffusionPipeline(StableDiffusionBase):
    """Draws from text (Rombach et al., 2022), as `diffusers.StableDiffusionPipeline`: same arguments, defaults, exceptions, and the same picture
    for the same `torch.Generator`."""

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
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
        guidance_rescale: float = 0.0,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws a picture for each prompt, `num_images_per_prompt` times.

        Args:
            height, width: pixels, multiples of 8; the model's own size where they are left out.
            guidance_scale: how closely to follow the prompt; 1 and less is without guidance, which halves the time.
            negative_prompt: what to lead away from.
            generator: a torch.Generator or impasto.Generator (one stream for the whole batch), a list of one for each picture, or an int as a seed.
            latents: standard normal [n, 4, height / 8, width / 8] in the place of drawn noise.
            clip_skip: layers of the text encoder left out at the end; 1 is what A1111 calls "Clip skip: 2".
            output_type: "pil", "np", "pt" or "latent".
            callback_on_step_end: called as f(pipe, step, timestep, tensors) after each step; what it returns by name goes on.
            deep_cache_interval, token_merging_ratio, guidance_start, guidance_stop, variation_seed, variation_strength: see `extras.Extras`.

        Returns an output with `.images`, or a tuple where `return_dict` is False. Raises ValueError or TypeError for arguments that do not fit,
        MemoryError before taking memory that is not there, KeyboardInterrupt within a step; the pipeline is as it was after any of them.
        """
        led = kwargs.pop("_led", NOT_LED)
        extras = Extras.taken_from(kwargs)
        callbacks = Callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, kwargs)
        if not height or not width:
            side = self.unet.config.sample_size
            height, width = (s * self.vae_scale_factor for s in ((side, side) if isinstance(side, int) else side))
        self._check_size(height, width)
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas)
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        repeats = self._repeats(num_images_per_prompt)
        batch = self._batch_size(prompt, prompt_embeds) * repeats
        generator = self._check_generators(extras.generators(generator, batch), batch)
        call = Call(_guidance_scale=guidance_scale, _guidance_rescale=guidance_rescale, _clip_skip=clip_skip, _cross_attention_kwargs=cross_attention_kwargs, control=led.control, scheduler=(led.scheduler or self._scheduler).copy(), extras=extras)
        self._check_fits(call, height, width, batch)
        num_inference_steps = self._begin_walk(call, num_inference_steps, timesteps, sigmas)

        self._calls.begin(call)
        try:
            call.pictures = self._pictures(ip_adapter_image, ip_adapter_image_embeds, batch, self._guides(guidance_scale), call.stop)
            embeds = self._embed(call, prompt, repeats, self._guides(guidance_scale), negative_prompt, prompt_embeds, negative_prompt_embeds, clip_skip)
            shape = (batch, self.unet.config.in_channels, height // self.vae_scale_factor, width // self.vae_scale_factor)
            x = start(call, shape, generator, latents) * np.float32(call.scheduler.init_noise_sigma)
            x = self._denoise(call, x, embeds, generator, eta, 0, num_inference_steps, callbacks)
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "steps": num_inference_steps, "guidance_scale": guidance_scale, "size": f"{width} x {height}"}
            return self._finish(call, x, output_type, return_dict, settings)
        finally:
            self._calls.end(call)
