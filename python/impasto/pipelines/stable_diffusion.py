"""What the Stable Diffusion tasks share: prompts, the loop over noise levels, and pictures at its end."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Callable

import numpy as np
from PIL import Image

from .. import _core, image_processor
from ..arrays import check_generator, public, to_numpy
from ..models import StableDiffusionSafetyChecker, UNet2DConditionModel
from ..models import lora_scale as adapter_scale
from ..once import logger, say_once
from ..outputs import StableDiffusionPipelineOutput
from .base import DiffusionPipeline
from .call import Call
from .callbacks import Callbacks
from .texts import Encoded, Sides, Texts, added_conditions, given


class StableDiffusionBase(DiffusionPipeline):
    """Encodes prompts and walks from noise to pictures. Arrays are float32 NumPy inside; callers get torch tensors if their program uses torch."""

    _settings = ("requires_safety_checker",)
    _callback_tensor_inputs = ["latents", "prompt_embeds", "negative_prompt_embeds"]
    _penultimate = False  # whether the UNet takes the text encoders' states from before their last layer
    _led_by: tuple[str, ...] = ("prompt_embeds",)  # what the UNet sees of the texts, by the names that callbacks know: the negative half, and the other

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        unet: Any,
        scheduler: Any,
        safety_checker: Any = None,
        feature_extractor: Any = None,
        image_encoder: Any = None,
        requires_safety_checker: bool = True,
    ):
        if isinstance(unet, UNet2DConditionModel):
            self._check_unet(unet)
        self.requires_safety_checker = requires_safety_checker
        super().__init__(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler,
            safety_checker=safety_checker, feature_extractor=feature_extractor, image_encoder=image_encoder,
        )  # fmt: skip

    # Checks, with diffusers' exceptions

    def _check_unet(self, unet: UNet2DConditionModel) -> None:
        """Raises ValueError for a UNet of another kind than this class draws with."""
        if unet.config.addition_embed_type is not None:
            raise ValueError(f"the UNet is one of Stable Diffusion XL, which {type(self).__name__} cannot draw with: use {type(self).__name__.replace('Diffusion', 'DiffusionXL')}, or a class of AutoPipelineFor...")

    def _check_prompts(self, prompt: Any, negative_prompt: Any, prompt_embeds: Any, negative_prompt_embeds: Any) -> None:
        if prompt is not None and prompt_embeds is not None:
            raise ValueError("Cannot forward both `prompt` and `prompt_embeds`: pass one of the two")
        if prompt is None and prompt_embeds is None:
            raise ValueError("Provide either `prompt` or `prompt_embeds`; both are missing")
        if prompt is not None and not isinstance(prompt, (str, list)):
            raise ValueError(f"`prompt` has to be of type `str` or `list` but is {type(prompt)}")
        if negative_prompt is not None and negative_prompt_embeds is not None:
            raise ValueError("Cannot forward both `negative_prompt` and `negative_prompt_embeds`: pass one of the two")
        if prompt_embeds is not None and negative_prompt_embeds is not None and tuple(prompt_embeds.shape) != tuple(negative_prompt_embeds.shape):
            raise ValueError(f"`prompt_embeds` and `negative_prompt_embeds` must have the same shape, but have {tuple(prompt_embeds.shape)} and {tuple(negative_prompt_embeds.shape)}")
        if isinstance(prompt, list) and not prompt:
            raise ValueError("`prompt` is an empty list: there is nothing to draw")

    def _check_call(self, callback_steps: Any, tensor_inputs: list[str] | None, timesteps: Any, sigmas: Any, **unsupported: Any) -> None:
        if callback_steps is not None and (not isinstance(callback_steps, int) or callback_steps <= 0):
            raise ValueError(f"`callback_steps` has to be a positive integer but is {callback_steps} of type {type(callback_steps)}")
        unknown = [k for k in tensor_inputs or [] if k not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(f"`callback_on_step_end_tensor_inputs` has to be in {self._callback_tensor_inputs}, but found {unknown}")
        if timesteps is not None and sigmas is not None:
            raise ValueError("Only one of `timesteps` or `sigmas` can be passed")
        for name, value in unsupported.items():
            if value is not None:
                raise NotImplementedError(f"{name} is not supported by Impasto yet; leave it out, or draw with diffusers' own pipeline")

    @staticmethod
    def _begin_walk(call: Call, num_inference_steps: int, timesteps: Any, sigmas: Any) -> int:
        """How many steps there are: those of the caller's own lists, where there are any."""
        if timesteps is None and sigmas is None:
            call.scheduler.set_timesteps(num_inference_steps)
        else:
            call.scheduler.set_timesteps(timesteps=timesteps, sigmas=sigmas)
        return call.scheduler.num_inference_steps

    @staticmethod
    def _check_size(height: int, width: int) -> None:
        if height % 8 != 0 or width % 8 != 0:
            raise ValueError(f"`height` and `width` have to be divisible by 8 but are {height} and {width}.")

    def _guides(self, guidance_scale: float) -> bool:
        """Whether the UNet runs under the negative prompt, too; models that are told the guidance scale do without."""
        return guidance_scale > 1 and self.unet.config.time_cond_proj_dim is None

    def _check_fits(self, call: Call, height: int, width: int, images: int) -> None:
        if self._core is not None:
            self._engine().check(height, width, images, self._guides(call._guidance_scale))

    @staticmethod
    def _repeats(num_images_per_prompt: int | None) -> int:
        n = 1 if num_images_per_prompt is None else num_images_per_prompt
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
            raise TypeError(f"`num_images_per_prompt` has to be an int, but is {n!r}")
        if n < 1:
            raise ValueError(f"`num_images_per_prompt` is {n}, and has to be at least 1")
        return int(n)

    @staticmethod
    def _batch_size(prompt: Any, prompt_embeds: Any) -> int:
        if prompt is None:
            return int(prompt_embeds.shape[0])
        return 1 if isinstance(prompt, str) else len(prompt)

    @staticmethod
    def _check_generators(generator: Any, batch: int) -> Any:
        generator = check_generator(generator)
        if isinstance(generator, list) and len(generator) != batch:
            raise ValueError(f"You have passed a list of generators of length {len(generator)}, but requested an effective batch size of {batch}. Make sure the batch size matches the length of the generators.")
        return generator

    # Text

    # How prompts are read, "plain" being diffusers' way: "a1111" and "comfyui" weigh words and read prompts of any length.
    prompt_syntax = "plain"

    def _encode(self, texts: list[tuple[str, ...]], name: str, clip_skip: int | None, call: Call) -> list[Encoded]:
        """Contexts of 77 tokens in plain syntax, each of a text for every text encoder. Texts may change in the steps of the call's walk; a call without
        one has no steps."""
        encoders, encoded = self._text_cores(call), []
        words = [encoder.new_words.embeddings() for encoder, _ in self._readers()]
        how = dict(syntax=self.prompt_syntax, clip_skip=clip_skip or 0, penultimate=self._penultimate, stop=call.stop)
        for each in texts:
            for text in each:
                if not isinstance(text, str):
                    raise ValueError(f"each {name} has to be a str, but one is {type(text)}")
            parts = [(tokenizer._core, *rest) for (_, tokenizer), *rest in zip(self._readers(), encoders, each, words)]
            if call.scheduler is None:
                context, pooled, cut = _core.encode_prompt(parts, **how)
                encoded.append(Encoded([context], [pooled]))
            else:
                contexts, pooled, turns, cut = _core.encode_prompt_turns(parts, call.scheduler.num_inference_steps, **how)
                encoded.append(Encoded(contexts, pooled, turns if len(contexts) > 1 else []))
            if cut:
                logger.warning("%s is longer than %d tokens: this part was cut: %r", name, self._readers()[0][1].model_max_length, cut)
        return encoded

    def _text_cores(self, call: Call) -> list[Any]:
        """The engine's text encoders, with adapters as strong as the call has them."""
        adapters, cores = getattr(self.unet, "_adapters", None), {name: encoder._ready() for name, encoder in self._text_encoders().items()}
        adapted = cores if adapters is None else adapters.at(adapter_scale(call._cross_attention_kwargs))
        return [adapted[name] for name in cores]

    def encode_prompt(
        self,
        prompt: Any,
        device: Any = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: Any = None,
        prompt_embeds: Any = None,
        negative_prompt_embeds: Any = None,
        lora_scale: float | None = None,
        clip_skip: int | None = None,
    ) -> tuple[Any, Any]:
        """Embeddings of the prompts and of the negative prompts, [n * num_images_per_prompt, 77, c] each; None for the latter without guidance."""
        positive, negative, *_ = self._embed(Call(_cross_attention_kwargs=None if lora_scale is None else {"scale": lora_scale}), prompt, num_images_per_prompt, do_classifier_free_guidance, negative_prompt, prompt_embeds, negative_prompt_embeds, clip_skip)
        return public(positive), None if negative is None else public(negative)

    def _embed(self, call: Call, prompt: Any, repeats: int, guided: bool, negative_prompt: Any, prompt_embeds: Any, negative_prompt_embeds: Any, clip_skip: int | None) -> Sides:
        batch = self._batch_size(prompt, prompt_embeds)
        if prompt_embeds is None:
            positive = self._encode([(text,) for text in ([prompt] if isinstance(prompt, str) else prompt)], "prompt", clip_skip, call)
        else:
            positive = given(to_numpy(prompt_embeds))
        self._check_embeds("prompt_embeds", positive)
        negative = None
        if guided and negative_prompt_embeds is None:
            skip = None if self.prompt_syntax == "plain" else clip_skip  # diffusers leaves the negative prompt whole
            negative = self._encode([(text,) for text in negatives(prompt, negative_prompt, batch)], "negative_prompt", skip, call)
        elif guided:
            negative = given(to_numpy(negative_prompt_embeds))
            self._check_embeds("negative_prompt_embeds", negative)
            if len(negative) != len(positive):
                raise ValueError(f"`negative_prompt_embeds` are {len(negative)} for {len(positive)} prompts")
        call.texts = Texts(positive, negative, repeats, one_length=self.prompt_syntax != "plain")
        return call.texts.at(0)

    def _check_embeds(self, name: str, embeds: list[Encoded]) -> None:
        width = self.unet.config.cross_attention_dim
        for context in (c for e in embeds for c in e.contexts):
            if context.ndim != 3 or context.shape[2] != width:
                raise ValueError(f"`{name}` have shape {(len(embeds), *context.shape[1:])}, expected (n, tokens, {width}) for this UNet")

    # The loop

    def preview(self, method: str = "linear") -> list[Any]:
        """What each picture of the running call looks like so far, as PIL pictures, for a callback to show: the clean latents that the last step spoke of.

        method: "linear", a colour for each latent by the map that fits the model's decoder best: rough, and hardly any work; "vae", as the final
        pictures, at their price. Raises RuntimeError outside of a callback and ValueError for another method.
        """
        if method not in ("linear", "vae"):
            raise ValueError(f"method is {method!r}; there are 'linear' and 'vae'")
        call = self._calls.current
        if call.clean is None:
            raise RuntimeError("preview() shows the call that runs in this thread, from its callback_on_step_end; there is none")
        if method == "linear":
            return [Image.fromarray(picture) for picture in self.vae._ready().preview(call.clean(), call.stop)]
        return image_processor.postprocess(self._decode(call, call.clean()), "pil")

    def _decode(self, call: Call, latents: np.ndarray) -> np.ndarray:
        return self.vae.decode(latents / np.float32(self.vae.config.scaling_factor), return_dict=False, stop=call.stop)[0]

    def _denoise(
        self,
        call: Call,
        latents: np.ndarray,
        embeds: Sides,
        generator: Any,
        eta: float,
        first: int,
        steps: int,
        callbacks: Callbacks,
        more_input: dict[str, np.ndarray] | None = None,
        after_step: Callable[[np.ndarray, int, dict[str, np.ndarray]], np.ndarray] | None = None,
        end: int | None = None,
    ) -> np.ndarray:
        """The latents at the end of the walk that begins at timestep `first`, or before timestep `end`.

        more_input: what the UNet sees beside the latents, [2n or n, c, h, w] each, by the names that callbacks know them by.
        after_step: the latents that go on after step i.
        """
        scheduler, times = call.scheduler, call.scheduler._times()
        names = {"latents": latents, **self._text_names(call, embeds), **(more_input or {})}
        if (width := self.unet.config.time_cond_proj_dim) is not None:
            call.told = guidance_embedding([call._guidance_scale - 1] * len(latents), width)
        end = len(times) if end is None else end
        call._num_timesteps = end - first
        if call.control is not None:
            names[call.control.name] = call.control.begin(first, len(times), embeds.negative is not None)
        warm_up = call._num_timesteps - steps * scheduler.order
        call.walk = call.extras.walk()
        with self.progress_bar(total=steps if end == len(times) else end - first) as bar:
            for i, place in enumerate(range(first, end)):
                if call._interrupt:
                    continue
                turn, before = (min(k * scheduler.num_inference_steps // len(times), scheduler.num_inference_steps - 1) for k in (i, max(i - 1, 0)))
                if turn != before and call.texts.changes_between(before, turn):
                    names.update(self._text_names(call, call.texts.at(turn), guided=self._guides(call._guidance_scale)))
                latents = self._one_step(call, names, place, generator, eta, [k for k in more_input or {}] if self.unet.config.in_channels != latents.shape[1] else [])
                if after_step is not None:
                    latents = after_step(latents, place, names)
                names["latents"] = latents
                callbacks.step_end(self, i, times[place], names)
                latents, call.clean = names["latents"], None
                if i == call._num_timesteps - 1 or (i + 1 > warm_up and (i + 1) % scheduler.order == 0):
                    bar.update()
                    callbacks.old_style(i, scheduler.order, times[place], latents)
        return latents

    def _text_names(self, call: Call, texts: Sides, guided: bool = True) -> dict[str, Any]:
        """What leads the UNet, by the names that callbacks know it by."""
        return {"prompt_embeds": led(texts.negative if guided else None, texts.positive), "negative_prompt_embeds": texts.negative}

    def _one_step(self, call: Call, names: dict[str, Any], place: int, generator: Any, eta: float, more: list[str]) -> np.ndarray:
        latents = names["latents"]
        guided = self._guides(call._guidance_scale) and call.extras.guided(place, len(call.scheduler._core.timesteps))
        if self._guides(call._guidance_scale) and not guided:
            names = {**names, **{name: np.split(names[name], 2)[1] for name in self._led_by}}
        x = call.scheduler._core.scale_model_input(latents, place)
        x = np.concatenate([x, x]) if guided else x
        residuals = {} if call.control is None else call.control.residuals(x, place, names, guided, call)
        if more:
            x = np.concatenate([x, *(names[k][: len(x)] for k in more)], axis=1)
        time, context, attention = call.scheduler._core.timesteps[place], names["prompt_embeds"], call._cross_attention_kwargs
        added = added_conditions(names)
        if call.pictures is not None:
            halved = self._guides(call._guidance_scale) and not guided
            added = {**(added or {}), "image_embeds": [p[len(p) // 2 :] if halved else p for p in call.pictures]}
        output = self.unet.forward(x, time, context, timestep_cond=call.told, cross_attention_kwargs=attention, added_cond_kwargs=added, **residuals, walk=call.walk, stop=call.stop, return_dict=False)[0]
        if guided:
            output = guide(output, call._guidance_scale, call._guidance_rescale)
        before = latents
        latents = call.scheduler.advance(output, place, latents, generator, eta)
        call.clean = lambda: call.scheduler._core.predicted_clean(output, place, before)
        if not np.isfinite(latents).all():
            raise FloatingPointError(f"the latents hold NaN or infinity after timestep {call.scheduler._core.timesteps[place]:g}: the weights are damaged, or a smaller guidance_scale or another scheduler may help")
        return latents

    def _finish(self, call: Call, latents: np.ndarray, output_type: str, return_dict: bool, settings: dict[str, Any], overlay: Callable[[Any], Any] | None = None) -> Any:
        if output_type not in ("latent", "pt", "np", "pil"):
            say_once(f"output_type {output_type!r} is none of pil, np, pt and latent: taken as np")
            output_type = "np"
        flagged = None
        if output_type == "latent":
            images = public(latents)
        else:
            pixels, flagged = self._made_safe(self._decode(call, latents))
            images = image_processor.postprocess(pixels, output_type)
        self.maybe_free_model_hooks()
        if overlay is not None:
            images = [overlay(image) for image in images]
        output = self._output(images, flagged)
        if not return_dict:
            return tuple(getattr(output, f.name) for f in fields(output) if f.init)
        output.settings = {**settings, "scheduler": type(call.scheduler).__name__, **call.extras.changed()}
        return output

    def _made_safe(self, pixels: np.ndarray) -> tuple[np.ndarray, list[bool] | None]:
        return self.run_safety_checker(pixels)

    @staticmethod
    def _output(images: Any, flagged: list[bool] | None) -> Any:
        return StableDiffusionPipelineOutput(images=images, nsfw_content_detected=flagged)

    def run_safety_checker(self, image: Any, device: Any = None, dtype: Any = None) -> tuple[Any, list[bool] | None]:
        """Pixels [n, 3, height, width] in -1..1, black where the safety checker flags them, and what it said of each; None where there is none.

        The checker is called as diffusers calls it, `safety_checker(images=..., clip_input=...)`; of what it gives the second counts."""
        if self.safety_checker is None:
            return image, None
        pixels = np.array(to_numpy(image))
        pictures = image_processor.postprocess(pixels, "pil")
        if isinstance(self.safety_checker, StableDiffusionSafetyChecker):
            clip_input = self.safety_checker.clip_input(pictures)
        else:
            processed = None if self.feature_extractor is None else self.feature_extractor(pictures, return_tensors="pt")
            clip_input = getattr(processed, "pixel_values", None)
        _, flagged = self.safety_checker(images=public(pixels.copy()), clip_input=clip_input)
        flagged = [bool(flag) for flag in flagged]
        pixels[np.array(flagged, bool)] = -1
        return pixels, flagged


def guidance_embedding(w: Any, width: int) -> np.ndarray:
    """[n, width]: sines and cosines of 1000 w, w being guidance scales less 1 (Meng et al., 2023)."""
    half = width // 2
    frequencies = np.exp(np.arange(half, dtype=np.float32) * np.float32(-np.log(10000.0) / (half - 1)))
    angles = np.asarray(w, np.float32)[:, None] * np.float32(1000) * frequencies[None]
    return np.pad(np.concatenate([np.sin(angles), np.cos(angles)], axis=1), ((0, 0), (0, width % 2)))


def led(negative: np.ndarray | None, positive: np.ndarray) -> np.ndarray:
    """Both halves, or what there is without guidance."""
    return positive if negative is None else np.concatenate([negative, positive])


def negatives(prompt: Any, negative: Any, batch: int) -> list[str]:
    if negative is None:
        return [""] * batch
    if prompt is not None and type(prompt) is not type(negative):
        raise TypeError(f"`negative_prompt` should be the same type to `prompt`, but got {type(negative)} != {type(prompt)}.")
    negatives = [negative] if isinstance(negative, str) else list(negative)
    if batch != len(negatives):
        raise ValueError(f"`negative_prompt` has batch size {len(negatives)}, but `prompt` has batch size {batch}. Please make sure that passed `negative_prompt` matches the batch size of `prompt`.")
    return negatives


def guide(output: np.ndarray, scale: float, rescale: float = 0.0) -> np.ndarray:
    """Classifier-free guidance (Ho and Salimans, 2022), with the rescaling of Lin et al., 2023, section 3.4. The negative half comes first."""
    negative, positive = np.split(output, 2)
    guided = negative + np.float32(scale) * (positive - negative)
    if rescale <= 0:
        return guided
    axes = tuple(range(1, output.ndim))
    wanted, found = (x.std(axis=axes, ddof=1, keepdims=True, dtype=np.float64).astype(np.float32) for x in (positive, guided))
    return np.float32(rescale) * (guided * (wanted / found)) + np.float32(1 - rescale) * guided


def start(call: Call, shape: tuple[int, ...], generator: Any, latents: Any) -> np.ndarray:
    """Standard normal latents: the caller's, or drawn. Raises ValueError when the caller's have another shape, or are to be varied."""
    if latents is None:
        return call.extras.first_noise(shape, generator)
    if call.extras.variation_strength > 0:
        raise ValueError("`latents` and `variation_strength` are both given: there is no noise to vary")
    given = to_numpy(latents)
    if given.shape != shape:
        raise ValueError(f"`latents` have shape {given.shape}, expected {shape}")
    return given
