"""Text to picture with latent consistency models, which are told the guidance scale."""

from __future__ import annotations

from typing import Any, Callable

from ..models import UNet2DConditionModel
from .control import Led
from .text_to_image import StableDiffusionPipeline


class LatentConsistencyModelPipeline(StableDiffusionPipeline):
    """Draws from text in a few steps (Luo et al., 2023), as `diffusers.LatentConsistencyModelPipeline`."""

    _forced: dict[str, Any] = {}
    _callback_tensor_inputs = ["latents", "prompt_embeds"]

    def _check_unet(self, unet: UNet2DConditionModel) -> None:
        super()._check_unet(unet)
        if unet.config.time_cond_proj_dim is None:
            raise ValueError(f"{type(self).__name__} is for UNets that are told the guidance scale (time_cond_proj_dim), and this one is not: use StableDiffusionPipeline, with LCMScheduler for adapters that were distilled")

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
        scheduler = self._scheduler
        if original_inference_steps is not None:
            scheduler = type(scheduler).from_config(scheduler.config, original_inference_steps=original_inference_steps)
        return super().__call__(
            prompt, height, width, num_inference_steps, timesteps, None, guidance_scale, None, num_images_per_prompt, 0.0, generator, latents, prompt_embeds, None, ip_adapter_image,
            ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, 0.0, clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, **kwargs,
            _led=Led(scheduler=scheduler),
        )  # fmt: skip
