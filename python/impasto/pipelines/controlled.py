"""The three tasks led by ControlNets (Zhang et al., 2023)."""

from __future__ import annotations

import os
from typing import Any, Callable

from .. import image_processor
from ..controlnet import ControlNetModel, MultiControlNetModel, nets_of
from .base import COMPONENTS
from .control import Led, prepare
from .image_to_image import StableDiffusionImg2ImgPipeline
from .inpaint import StableDiffusionInpaintPipeline
from .text_to_image import StableDiffusionPipeline


class Controlled:
    """What pipelines with ControlNets have beside those that they are made of: the part `controlnet`."""

    _forced: dict[str, Any] = {}

    @property
    def controlnet(self) -> Any:
        return self._controlnet

    @controlnet.setter
    def controlnet(self, net: Any) -> None:
        net = MultiControlNetModel(net) if isinstance(net, (list, tuple)) else net
        for each in nets_of(net):
            if not isinstance(each, ControlNetModel):
                raise ValueError(f"controlnet has to be an impasto.ControlNetModel or a list of them, but is {type(each)}")
        self._controlnet = net

    @classmethod
    def _more_parts(cls, folder: str, given: dict[str, Any]) -> dict[str, Any]:
        """The ControlNets that were saved with a checkpoint: folders controlnet, controlnet_1, ..."""
        if "controlnet" in given:
            return {}
        first = os.path.join(folder, "controlnet")
        if not os.path.isdir(first):
            raise ValueError(f"{cls.__name__} expects a ControlNet, and {folder} holds none: pass controlnet=ControlNetModel.from_pretrained(...)")
        nets = MultiControlNetModel.from_pretrained(first).nets
        return {"controlnet": nets[0] if len(nets) == 1 else nets}

    def _folders(self) -> list[tuple[str, Any]]:
        return [*super()._folders(), *((f"controlnet_{i}" if i else "controlnet", net) for i, net in enumerate(nets_of(self._controlnet)))]  # type: ignore[misc]


class _Controlled(Controlled):
    """The parts of those for Stable Diffusion 1.x and 2.x."""

    _components = (*COMPONENTS[:4], "controlnet", *COMPONENTS[4:])

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        unet: Any,
        controlnet: Any,
        scheduler: Any,
        safety_checker: Any = None,
        feature_extractor: Any = None,
        image_encoder: Any = None,
        requires_safety_checker: bool = True,
    ):
        super().__init__(vae, text_encoder, tokenizer, unet, scheduler, safety_checker, feature_extractor, image_encoder, requires_safety_checker)  # type: ignore[call-arg]
        self.controlnet = controlnet


class StableDiffusionControlNetPipeline(_Controlled, StableDiffusionPipeline):
    """Draws from text, following a picture, as `diffusers.StableDiffusionControlNetPipeline`."""

    _callback_tensor_inputs = [*StableDiffusionPipeline._callback_tensor_inputs, "image"]

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
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
        controlnet_conditioning_scale: float | list[float] = 1.0,
        guess_mode: bool = False,
        control_guidance_start: float | list[float] = 0.0,
        control_guidance_end: float | list[float] = 1.0,
        clip_skip: int | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: list[str] = ["latents"],
        **kwargs: Any,
    ) -> Any:
        """Draws a picture for each prompt that follows `image`.

        Args:
            image: what the ControlNet was trained to follow (edges, depth, a pose), ready-made: PIL pictures, arrays [h, w, 3] or tensors [3, h, w] in
                0..1; one, or one for each prompt; with several ControlNets a list of one for each. Its size, rounded down to a multiple of 8, is the
                result's where none is given; else it is brought to that size.
            controlnet_conditioning_scale: what the ControlNet adds is multiplied by it.
            guess_mode: leads the prompt's half of guidance alone, and its outer layers less.
            control_guidance_start, control_guidance_end: the share of the steps in which it counts.
            others: as StableDiffusionPipeline has them.
        """
        self._check_prompts(prompt, negative_prompt, prompt_embeds, negative_prompt_embeds)
        control = prepare(self.controlnet, image, prompt, prompt_embeds, self._repeats(num_images_per_prompt), controlnet_conditioning_scale, control_guidance_start, control_guidance_end, guess_mode, "image", (height, width))  # fmt: skip
        height, width = control.size
        return super().__call__(
            prompt, height, width, num_inference_steps, timesteps, sigmas, guidance_scale, negative_prompt, num_images_per_prompt, eta, generator, latents, prompt_embeds,
            negative_prompt_embeds, ip_adapter_image, ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, 0.0, clip_skip, callback_on_step_end,
            callback_on_step_end_tensor_inputs, **kwargs, _led=Led(control),
        )  # fmt: skip


class StableDiffusionControlNetImg2ImgPipeline(_Controlled, StableDiffusionImg2ImgPipeline):
    """Draws from a picture and text, following another picture, as `diffusers.StableDiffusionControlNetImg2ImgPipeline`."""

    _callback_tensor_inputs = [*StableDiffusionImg2ImgPipeline._callback_tensor_inputs, "control_image"]

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        control_image: Any = None,
        height: int | None = None,
        width: int | None = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
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
        controlnet_conditioning_scale: float | list[float] = 0.8,
        guess_mode: bool = False,
        control_guidance_start: float | list[float] = 0.0,
        control_guidance_end: float | list[float] = 1.0,
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
            prompt, image, strength, num_inference_steps, None, None, guidance_scale, negative_prompt, num_images_per_prompt, eta, generator, prompt_embeds,
            negative_prompt_embeds, ip_adapter_image, ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, clip_skip, callback_on_step_end,
            callback_on_step_end_tensor_inputs, **kwargs, _led=Led(control, latents, height, width),
        )  # fmt: skip


class StableDiffusionControlNetInpaintPipeline(_Controlled, StableDiffusionInpaintPipeline):
    """Draws the white part of a mask anew, following a picture, as `diffusers.StableDiffusionControlNetInpaintPipeline`."""

    _callback_tensor_inputs = [*StableDiffusionInpaintPipeline._callback_tensor_inputs[:3], "control_image", *StableDiffusionInpaintPipeline._callback_tensor_inputs[3:]]

    def __call__(
        self,
        prompt: str | list[str] | None = None,
        image: Any = None,
        mask_image: Any = None,
        control_image: Any = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 1.0,
        num_inference_steps: int = 50,
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
        controlnet_conditioning_scale: float | list[float] = 0.5,
        guess_mode: bool = False,
        control_guidance_start: float | list[float] = 0.0,
        control_guidance_end: float | list[float] = 1.0,
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
            prompt, image, mask_image, None, *size, padding_mask_crop, strength, num_inference_steps, None, None, guidance_scale, negative_prompt, num_images_per_prompt, eta, generator,
            latents, prompt_embeds, negative_prompt_embeds, ip_adapter_image, ip_adapter_image_embeds, output_type, return_dict, cross_attention_kwargs, clip_skip,
            callback_on_step_end, callback_on_step_end_tensor_inputs, **kwargs, _led=Led(control),
        )  # fmt: skip
