"""Picture to picture."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .. import image_processor
from ..arrays import to_numpy
from .call import Call
from .callbacks import Callbacks
from .control import NOT_LED
from .extras import Extras
from .stable_diffusion import StableDiffusionBase


class StableDiffusionImg2ImgPipeline(StableDiffusionBase):
    """Draws from a picture and text (Meng et al., 2021), as `diffusers.StableDiffusionImg2ImgPipeline`."""

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        strength: float = 0.8,
        num_inference_steps: int | None = 50,
        timesteps: list[int] | None = None,
        sigmas: list[float] | None = None,
        guidance_scale: float | None = 7.5,
        negative_prompt: str | list[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float | None = 0.0,
        generator: Any = None,
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
        """Draws over a picture, or over each of a list or batch.

        Args:
            image: PIL pictures, arrays [h, w, 3] or tensors [3, h, w] in 0..1, or latents [n, 4, h, w] as a torch tensor. Its size, rounded
                down to a multiple of 8, is the result's.
            strength: how far to go from it, 0..1: int(num_inference_steps * strength) steps are run.
            others: as StableDiffusionPipeline has them.
        """
        led = kwargs.pop("_led", NOT_LED)
        extras = Extras.taken_from(kwargs)
        callbacks = Callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, kwargs)
        if strength < 0 or strength > 1:
            raise ValueError(f"The value of strength should in [0.0, 1.0] but is {strength}")
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas)
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        repeats = self._repeats(num_images_per_prompt)
        batch = self._batch_size(prompt, prompt_embeds) * repeats
        generator = self._check_generators(extras.generators(generator, batch), batch)
        picture = image_processor.preprocess(image, led.height, led.width, scale=self.vae_scale_factor, latent_channels=self.vae.config.latent_channels)
        call = Call(_guidance_scale=guidance_scale, _clip_skip=clip_skip, _cross_attention_kwargs=cross_attention_kwargs, control=led.control, scheduler=(led.scheduler or self._scheduler).copy(), extras=extras)
        factor = 1 if picture.shape[1] != 3 else self.vae_scale_factor
        self._check_fits(call, picture.shape[2] * self.vae_scale_factor // factor, picture.shape[3] * self.vae_scale_factor // factor, batch)
        if led.strength is not None:
            call.scheduler.set_timesteps(num_inference_steps, timesteps=timesteps, strength=led.strength)
            first, run = 0, len(call.scheduler.timesteps)
        else:
            num_inference_steps = self._begin_walk(call, num_inference_steps, timesteps, sigmas)
            first, run = first_step(call.scheduler, num_inference_steps, strength), steps_to_run(num_inference_steps, strength)

        self._calls.begin(call)
        try:
            call.pictures = self._pictures(ip_adapter_image, ip_adapter_image_embeds, batch, self._guides(guidance_scale), call.stop)
            embeds = self._embed(call, prompt, repeats, self._guides(guidance_scale), negative_prompt, prompt_embeds, negative_prompt_embeds, clip_skip)
            if led.latents is None:
                clean = clean_latents(self, call, picture, batch, generator)
                x = call.scheduler._core.add_noise(clean, extras.first_noise(clean.shape, generator), first)
            else:
                x = to_numpy(led.latents)
            x = self._denoise(call, x, embeds, generator, eta, first, run, callbacks)
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "strength": strength, "steps": num_inference_steps, "guidance_scale": guidance_scale}
            return self._finish(call, x, output_type, return_dict, settings)
        finally:
            self._calls.end(call)


def steps_to_run(num_inference_steps: int, strength: float) -> int:
    return min(int(num_inference_steps * strength), num_inference_steps)


def first_step(scheduler: Any, num_inference_steps: int, strength: float) -> int:
    """Where in the walk to enter. Raises ValueError when nothing is left of it."""
    steps = steps_to_run(num_inference_steps, strength)
    if steps < 1:
        raise ValueError(f"After adjusting the num_inference_steps by strength parameter: {strength}, the number of pipeline steps is {steps} which is < 1 and not appropriate for this pipeline.")
    return (num_inference_steps - steps) * scheduler.order


def sample_latents(pipe: StableDiffusionBase, call: Call, pictures: np.ndarray, generator: Any) -> np.ndarray:
    """Latents of pictures [n, 3, h, w] in -1..1, drawn from their posterior."""
    posterior = pipe.vae.encode(pictures, stop=call.stop).latent_dist
    return np.float32(pipe.vae.config.scaling_factor) * posterior.sample(generator)


def clean_latents(pipe: StableDiffusionBase, call: Call, pictures: np.ndarray, batch: int, generator: Any) -> np.ndarray:
    """The latents of a batch's pictures, repeated where there are fewer pictures than prompts. Raises ValueError when they do not divide."""
    if batch % len(pictures) != 0:
        raise ValueError(f"Cannot duplicate `image` of batch size {len(pictures)} to effective batch_size {batch} ")
    if pictures.shape[1] != 3:
        return np.tile(pictures, (batch // len(pictures), 1, 1, 1))
    if isinstance(generator, list):  # each picture of the batch has a draw of its own
        pictures = np.tile(pictures, (batch // len(pictures), 1, 1, 1))
        return np.concatenate([sample_latents(pipe, call, pictures[i : i + 1], g) for i, g in enumerate(generator)])
    return np.tile(sample_latents(pipe, call, pictures, generator), (batch // len(pictures), 1, 1, 1))
