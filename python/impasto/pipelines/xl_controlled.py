"""The three tasks of Stable Diffusion XL led by ControlNets (Zhang et al., 2023)."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from .. import image_processor
from .call import Call
from .control import Led, prepare
from .controlled import Controlled
from .texts import Sides
from .xl import StableDiffusionXLBase
from .xl_image_to_image import StableDiffusionXLImg2ImgPipeline
from .xl_inpaint import StableDiffusionXLInpaintPipeline
from .xl_text_to_image import StableDiffusionXLPipeline

_TEXTS = ["latents", "prompt_embeds", "negative_prompt_embeds", "add_text_embeds", "add_time_ids", "negative_pooled_prompt_embeds"]


class _ControlledXL(Controlled):
    """The parts of the three, and what their callbacks may see: the negative prompt's half apart, too, which leads nothing, as in diffusers."""

    _components = (*StableDiffusionXLBase._components[:6], "controlnet", "scheduler", "feature_extractor", "image_encoder")
    _negative_ids = "add_neg_time_ids"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        unet: Any,
        controlnet: Any,
        scheduler: Any,
        requires_aesthetics_score: bool = False,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
        feature_extractor: Any = None,
        image_encoder: Any = None,
    ):
        StableDiffusionXLBase.__init__(
            self, vae, text_encoder, text_encoder_2, tokenizer, tokenizer_2, unet, scheduler, image_encoder, feature_extractor, requires_aesthetics_score,
            force_zeros_for_empty_prompt, add_watermarker,
        )  # type: ignore[arg-type]  # fmt: skip
        self.controlnet = controlnet

    def _text_names(self, call: Call, texts: Sides, guided: bool = True) -> dict[str, Any]:
        names = super()._text_names(call, texts, guided)  # type: ignore[misc]
        names["negative_pooled_prompt_embeds"] = texts.negative_pooled
        names[self._negative_ids] = np.repeat(np.array([call.time_ids[1]], np.float32), len(texts.positive), axis=0)
        return names


class StableDiffusionXLControlNetPipeline(_ControlledXL, StableDiffusionXLPipeline):
    """Draws from text, following a picture, as `diffusers.StableDiffusionXLControlNetPipeline`."""

    _callback_tensor_inputs = [*_TEXTS, "negative_add_time_ids", "image"]
    _negative_ids = "negative_add_time_ids"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        text_encoder_2: Any,
        tokenizer: Any,
        tokenizer_2: Any,
        unet: Any,
        controlnet: Any,
        scheduler: Any,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
        feature_extractor: Any = None,
        image_encoder: Any = None,
    ):
        super().__init__(vae, text_encoder, text_encoder_2, tokenizer, tokenizer_2, unet, controlnet, scheduler, False, force_zeros_for_empty_prompt, add_watermarker, feature_extractor, image_encoder)

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
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
        controlnet_conditioning_scale: float | list[float] = 1.0,
        guess_mode: bool = False,
        control_guidance_start: float | list[float] = 0.0,
        control_guidance_end: float | list[float] = 1.0,
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
        """Draws a picture for each prompt that follows `image`: see StableDiffusionControlNetPipeline and StableDiffusionXLPipeline."""
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        control = prepare(self.controlnet, image, prompt, prompt_embeds, self._repeats(num_images_per_prompt), controlnet_conditioning_scale, control_guidance_start, control_guidance_end, guess_mode, "image", (height, width))  # fmt: skip
        height, width = control.size
        return super().__call__(
            prompt, prompt_2, height, width, num_inference_steps, timesteps, sigmas, denoising_end, guidance_scale, negative_prompt, negative_prompt_2, num_images_per_prompt, eta,
            generator, latents, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds, negative_pooled_prompt_embeds, ip_adapter_image, ip_adapter_image_embeds, output_type,
            return_dict, cross_attention_kwargs, 0.0, original_size, crops_coords_top_left, target_size, negative_original_size, negative_crops_coords_top_left, negative_target_size,
            clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, **kwargs, _led=Led(control),
        )  # fmt: skip


class StableDiffusionXLControlNetImg2ImgPipeline(_ControlledXL, StableDiffusionXLImg2ImgPipeline):
    """Draws from a picture and text, following another picture, as `diffusers.StableDiffusionXLControlNetImg2ImgPipeline`."""

    _callback_tensor_inputs = [*_TEXTS, "add_neg_time_ids", "control_image"]

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
        control_image: Any = None,
        height: int | None = None,
        width: int | None = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
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
        controlnet_conditioning_scale: float | list[float] = 0.8,
        guess_mode: bool = False,
        control_guidance_start: float | list[float] = 0.0,
        control_guidance_end: float | list[float] = 1.0,
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
        """Draws over `image` and follows `control_image`: see the two pipelines that this one joins. `latents`, where given, begin the walk as they are."""
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        size = image_processor.size_of(image, height, width, self.vae_scale_factor)
        control = prepare(self.controlnet, control_image, prompt, prompt_embeds, self._repeats(num_images_per_prompt), controlnet_conditioning_scale, control_guidance_start, control_guidance_end, guess_mode, "control_image", (height, width))  # fmt: skip
        control.require_size(size)
        return super().__call__(
            prompt, prompt_2, image, strength, num_inference_steps, None, None, None, None, guidance_scale, negative_prompt, negative_prompt_2, num_images_per_prompt, eta, generator,
            latents, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds, negative_pooled_prompt_embeds, ip_adapter_image, ip_adapter_image_embeds, output_type, return_dict,
            cross_attention_kwargs, 0.0, original_size, crops_coords_top_left, target_size, negative_original_size, negative_crops_coords_top_left, negative_target_size,
            aesthetic_score, negative_aesthetic_score, clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs, **kwargs, _led=Led(control, latents, height, width),
        )  # fmt: skip


class StableDiffusionXLControlNetInpaintPipeline(_ControlledXL, StableDiffusionXLInpaintPipeline):
    """Draws the white part of a mask anew, following a picture, as `diffusers.StableDiffusionXLControlNetInpaintPipeline`."""

    _callback_tensor_inputs = [*_TEXTS, "add_neg_time_ids", "mask", "masked_image_latents", "control_image"]

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        prompt_2: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        control_image: Any = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 0.9999,
        num_inference_steps: int = 50,
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
        ip_adapter_image: Any = None,
        ip_adapter_image_embeds: Any = None,
        pooled_prompt_embeds: Any = None,
        negative_pooled_prompt_embeds: Any = None,
        output_type: str | None = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: dict[str, Any] | None = None,
        controlnet_conditioning_scale: float | list[float] = 1.0,
        guess_mode: bool = False,
        control_guidance_start: float | list[float] = 0.0,
        control_guidance_end: float | list[float] = 1.0,
        guidance_rescale: float = 0.0,
        original_size: tuple[int, int] | None = None,
        crops_coords_top_left: tuple[int, int] = (0, 0),
        target_size: tuple[int, int] | None = None,
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws the masked part of `image` and follows `control_image`: see the two pipelines that this one joins. The size is the picture's where none is given."""
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        self._check_pictures(image, mask_image, padding_mask_crop, output_type)
        size = image_processor.size_of(image, height, width, self.vae_scale_factor)
        box = None if padding_mask_crop is None else image_processor.crop_region(mask_image, size[1], size[0], padding_mask_crop)
        control = prepare(self.controlnet, control_image, prompt, prompt_embeds, self._repeats(num_images_per_prompt), controlnet_conditioning_scale, control_guidance_start, control_guidance_end, guess_mode, "control_image", (height, width) if box is None else size, box)  # fmt: skip
        control.require_size(size)
        return super().__call__(
            prompt, prompt_2, image, mask_image, None, *size, padding_mask_crop, strength, num_inference_steps, None, None, denoising_start, denoising_end, guidance_scale,
            negative_prompt, negative_prompt_2, num_images_per_prompt, eta, generator, latents, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds,
            negative_pooled_prompt_embeds, ip_adapter_image, ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, guidance_rescale, original_size,
            crops_coords_top_left, target_size, None, (0, 0), None, aesthetic_score, negative_aesthetic_score, clip_skip, callback_on_step_end, callback_on_step_end_tensor_inputs,
            **kwargs, _led=Led(control),
        )  # fmt: skip
