"""Pictures from text and from pictures by latent consistency models, which are told the guidance scale."""

from __future__ import annotations

from typing import Any, Callable

from ..models import UNet2DConditionModel
from .control import Led
from .image_to_image import StableDiffusionImg2ImgPipeline
from .stable_diffusion import StableDiffusionBase
from .text_to_image import StableDiffusionPipeline


class _Told(StableDiffusionBase):
    _forced: dict[str, Any] = {}
    _callback_tensor_inputs = ["latents", "prompt_embeds"]

    def _distilled_with(self, original_inference_steps: int | None) -> Any:
        """The scheduler, for a walk out of so many steps."""
        if original_inference_steps is None:
            return self._scheduler
        return type(self._scheduler).from_config(self._scheduler.config, original_inference_steps=original_inference_steps)

    def _check_unet(self, unet: UNet2DConditionModel) -> None:
        super()._check_unet(unet)
        if unet.config.time_cond_proj_dim is None:
            raise ValueError(f"{type(self).__name__} is for UNets that are told the guidance scale (time_cond_proj_dim), and this one is not: use StableDiffusionPipeline, with LCMScheduler for adapters that were distilled")


class LatentConsistencyModelPipeline(_Told, StableDiffusionPipeline):
    """Draws from text in a few steps (Luo et al., 2023), as `diffusers.LatentConsistencyModelPipeline`."""

    def __call__(  # type: ignore[override]
        self,
        prompt: str | list[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 4,
        original_inference_steps: int | None = None,
        timesteps: list[int] | None = None,
        guidance_scale: float = 8.5,
        num_images_per_prompt: int | None = 1,
        generator: Any = None,
        latents: Any = None,
        prompt_embeds: Any = None,
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
        """Draws a picture for each prompt, `num_images_per_prompt` times.

        Args:
            original_inference_steps: of the walk that the model was distilled from, of which num_inference_steps are taken; the scheduler's where it is left out.
            guidance_scale: what the model is told; it runs once a step whatever it is.
            others: as StableDiffusionPipeline has them.
        """
        return super().__call__(
            prompt, height, width, num_inference_steps, timesteps, None, guidance_scale, None, num_images_per_prompt, 0.0, generator, latents, prompt_embeds, None, ip_adapter_image,
            ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, 0.0, clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, **kwargs,
            _led=Led(scheduler=self._distilled_with(original_inference_steps)),
        )  # fmt: skip


class LatentConsistencyModelImg2ImgPipeline(_Told, StableDiffusionImg2ImgPipeline):
    """Draws from a picture and text in a few steps (Luo et al., 2023), as `diffusers.LatentConsistencyModelImg2ImgPipeline`."""

    def __call__(  # type: ignore[override]
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        num_inference_steps: int = 4,
        strength: float = 0.8,
        original_inference_steps: int | None = None,
        timesteps: list[int] | None = None,
        guidance_scale: float = 8.5,
        num_images_per_prompt: int | None = 1,
        generator: Any = None,
        latents: Any = None,
        prompt_embeds: Any = None,
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
            strength: how far to go from it, above 0 to 1. All num_inference_steps are run, on that share of the way; of `timesteps` the last ones.
            original_inference_steps, guidance_scale: as LatentConsistencyModelPipeline has them.
            latents: to begin with, instead of the picture with noise.
            others: as StableDiffusionImg2ImgPipeline has them.
        """
        return super().__call__(
            prompt, image, strength, None if timesteps is not None else num_inference_steps, timesteps, None, guidance_scale, None, num_images_per_prompt, 0.0, generator, prompt_embeds, None,
            ip_adapter_image, ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, **kwargs,
            _led=Led(latents=latents, scheduler=self._distilled_with(original_inference_steps), strength=strength),
        )  # fmt: skip
