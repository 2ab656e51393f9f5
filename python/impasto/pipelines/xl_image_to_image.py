"""Picture to picture with Stable Diffusion XL, and its refiner."""

from __future__ import annotations

from typing import Any, Callable

from .. import image_processor
from ..arrays import to_numpy
from .callbacks import Callbacks
from .control import NOT_LED
from .extras import Extras
from .image_to_image import clean_latents
from .xl import PictureNumbers, Prompts, StableDiffusionXLBase


class StableDiffusionXLImg2ImgPipeline(StableDiffusionXLBase):
    """Draws from a picture or latents, and text, as `diffusers.StableDiffusionXLImg2ImgPipeline`; with a refiner, too."""

    @property
    def denoising_start(self) -> float | None:
        return self._denoising_start

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
        strength: float = 0.3,
        num_inference_steps: int = 50,
        timesteps: list[int] | None = None,
        sigmas: list[float] | None = None,
        denoising_start: float | None = None,
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
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws over a picture, or over each of a list or batch.

        Args:
            image: as StableDiffusionImg2ImgPipeline has it; latents [n, 4, h, w] of a call with `output_type="latent"` are taken as they are.
            strength: how far to go from it, 0..1: int(num_inference_steps * strength) steps are run.
            denoising_start: instead of strength: the share of the walk at which it begins, where another call's `denoising_end` was; no noise is laid over
                the picture or the latents.
            latents: to begin with, as they are.
            aesthetic_score, negative_aesthetic_score: for refiners (`requires_aesthetics_score`), how well people are to like the picture, 1 to 10.
            others: as StableDiffusionXLPipeline has them; the negative prompt's sizes are the prompt's where they are not given.
        """
        led = kwargs.pop("_led", NOT_LED)
        extras = Extras.taken_from(kwargs)
        callbacks = Callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, kwargs)
        if strength < 0 or strength > 1:
            raise ValueError(f"The value of strength should in [0.0, 1.0] but is {strength}")
        self._check_call(callbacks.steps, callbacks.tensor_inputs, timesteps, sigmas)
        prompts = Prompts(prompt, prompt_2, negative_prompt, negative_prompt_2, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds, negative_pooled_prompt_embeds)
        call, batch, generator = self._prepare(prompts, generator, num_images_per_prompt, extras, _guidance_scale=guidance_scale, _guidance_rescale=guidance_rescale, _clip_skip=clip_skip, _cross_attention_kwargs=cross_attention_kwargs, control=led.control, _denoising_start=denoising_start, _denoising_end=denoising_end)  # fmt: skip
        picture = image_processor.preprocess(image, led.height, led.width, scale=self.vae_scale_factor, latent_channels=self.vae.config.latent_channels)
        begun = picture if latents is None else to_numpy(latents)
        factor = self.vae_scale_factor if latents is not None or picture.shape[1] != 3 else 1
        height, width = (side * factor // self.vae_scale_factor * self.vae_scale_factor for side in begun.shape[2:])
        self._check_fits(call, height, width, batch)
        num_inference_steps = self._begin_walk(call, num_inference_steps, timesteps, sigmas)
        first, steps = self._first(call, num_inference_steps, strength)
        end = self._end(call, first)

        self._calls.begin(call)
        try:
            call.pictures = self._pictures(ip_adapter_image, ip_adapter_image_embeds, batch, self._guides(guidance_scale), call.stop)
            embeds = self._embed_all(call, prompts, self._repeats(num_images_per_prompt), self._guides(guidance_scale), clip_skip)
            numbers = PictureNumbers(original_size, crops_coords_top_left, target_size, negative_original_size, negative_crops_coords_top_left, negative_target_size, aesthetic_score, negative_aesthetic_score)  # fmt: skip
            call.time_ids = self._time_ids(numbers, (height, width), embeds.pooled)
            x = begun if latents is not None else clean_latents(self, call, picture, batch, generator)
            if latents is None and denoising_start is None:
                x = call.scheduler._core.add_noise(x, extras.first_noise(x.shape, generator), first)
            x = self._denoise(call, x, embeds, generator, eta, first, steps, callbacks, end=end)
            settings = {"prompt": prompt, "negative_prompt": negative_prompt, "strength": strength, "steps": num_inference_steps, "guidance_scale": guidance_scale}
            return self._finish(call, x, output_type, return_dict, settings)
        finally:
            self._calls.end(call)
