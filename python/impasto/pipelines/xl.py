"""What the tasks of Stable Diffusion XL (Podell et al., 2023) share: prompts for two text encoders, and numbers about the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import public, to_numpy
from ..outputs import StableDiffusionXLPipelineOutput
from .base import DiffusionPipeline
from .call import Call, PerCall
from .extras import Extras
from .image_to_image import first_step, steps_to_run
from .stable_diffusion import StableDiffusionBase, led
from .texts import Encoded, Sides, Texts, given, nothing


@dataclass
class Prompts:
    """The texts of a call, or what was made of them."""

    prompt: Any
    prompt_2: Any
    negative_prompt: Any
    negative_prompt_2: Any
    prompt_embeds: Any
    negative_prompt_embeds: Any
    pooled_prompt_embeds: Any
    negative_pooled_prompt_embeds: Any

    def check(self) -> None:
        """What diffusers looks at beside the first prompts, with its exceptions."""
        for name in ("prompt_2", "negative_prompt_2"):
            embeds = name.removesuffix("_2") + "_embeds"
            if getattr(self, name) is not None and getattr(self, embeds) is not None:
                raise ValueError(f"Cannot forward both `{name}` and `{embeds}`: pass one of the two")
        if self.prompt_2 is not None and not isinstance(self.prompt_2, (str, list)):
            raise ValueError(f"`prompt_2` has to be of type `str` or `list` but is {type(self.prompt_2)}")
        for name, pooled in (("prompt_embeds", self.pooled_prompt_embeds), ("negative_prompt_embeds", self.negative_pooled_prompt_embeds)):
            if getattr(self, name) is not None and pooled is None:
                raise ValueError(f"If `{name}` are provided, `{name.replace('prompt', 'pooled_prompt')}` also have to be passed: `encode_prompt` gives both.")

    def texts(self) -> list[tuple[str, str]]:
        """Of each prompt the first text encoder's and the second's."""
        return _paired(self.prompt, self.prompt_2 or self.prompt, "prompt")

    def negative_texts(self, batch: int) -> list[tuple[str, str]]:
        first = self.negative_prompt or ""
        first, second = ([texts] * batch if isinstance(texts, str) else list(texts) for texts in (first, self.negative_prompt_2 or first))
        if len(first) != batch:
            raise ValueError(f"`negative_prompt` has batch size {len(first)}, but `prompt` has batch size {batch}: pass one for each")
        return _paired(first, second, "negative_prompt")


def _paired(first: Any, second: Any, name: str) -> list[tuple[str, str]]:
    first, second = ([texts] if isinstance(texts, str) else list(texts) for texts in (first, second))
    if len(first) != len(second):
        raise ValueError(f"`{name}_2` has batch size {len(second)}, but `{name}` has batch size {len(first)}: pass one for each")
    return list(zip(first, second))


@dataclass
class PictureNumbers:
    """What the UNet is told of a picture: (height, width) and (top, left) in pixels, and of a refiner how well people like it, 1 to 10."""

    original_size: Any
    crops_coords_top_left: Any
    target_size: Any
    negative_original_size: Any
    negative_crops_coords_top_left: Any
    negative_target_size: Any
    aesthetic_score: float = 6.0
    negative_aesthetic_score: float = 2.5


class StableDiffusionXLBase(StableDiffusionBase):
    """The parts, and the calls that all tasks have. A refiner has no `text_encoder` and no `tokenizer`."""

    _components = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "scheduler", "image_encoder", "feature_extractor")
    _optional = ("text_encoder", "tokenizer")
    _settings: tuple[str, ...] = ("force_zeros_for_empty_prompt", "requires_aesthetics_score")
    _passed_on = ("add_watermarker",)
    _forced: dict[str, Any] = {}
    _penultimate = True
    _led_by = ("prompt_embeds", "add_text_embeds", "add_time_ids")
    _callback_tensor_inputs = ["latents", "prompt_embeds", "add_text_embeds", "add_time_ids"]
    _denoising_start = PerCall()
    _denoising_end = PerCall()
    requires_aesthetics_score = False

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
        requires_aesthetics_score: bool = False,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
    ):
        if add_watermarker:
            raise NotImplementedError("add_watermarker: Impasto draws no watermarks into pictures; leave it out, or pass False")
        self.requires_aesthetics_score, self.force_zeros_for_empty_prompt = requires_aesthetics_score, force_zeros_for_empty_prompt
        DiffusionPipeline.__init__(
            self, vae=vae, text_encoder=text_encoder, text_encoder_2=text_encoder_2, tokenizer=tokenizer, tokenizer_2=tokenizer_2, unet=unet,
            scheduler=scheduler, image_encoder=image_encoder, feature_extractor=feature_extractor,
        )  # fmt: skip
        if self.unet.config.addition_embed_type != "text_time":
            raise ValueError(f"the UNet is none of Stable Diffusion XL, which {type(self).__name__} draws with: use {type(self).__name__.replace('XL', '')}, or a class of AutoPipelineFor...")

    def register_to_config(self, **settings: Any) -> None:
        """Changes what model_index.json says: `requires_aesthetics_score`, `force_zeros_for_empty_prompt`."""
        for name, value in settings.items():
            if name not in self._settings:
                raise ValueError(f"{name} is not a setting of {type(self).__name__}; its settings are {', '.join(self._settings)}")
            setattr(self, name, value)

    @property
    def denoising_end(self) -> float | None:
        return self._denoising_end

    # Text

    def encode_prompt(  # type: ignore[override]
        self,
        prompt: Any,
        prompt_2: Any = None,
        device: Any = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: Any = None,
        negative_prompt_2: Any = None,
        prompt_embeds: Any = None,
        negative_prompt_embeds: Any = None,
        pooled_prompt_embeds: Any = None,
        negative_pooled_prompt_embeds: Any = None,
        lora_scale: float | None = None,
        clip_skip: int | None = None,
    ) -> tuple[Any, Any, Any, Any]:
        """Embeddings of the prompts and of the negative prompts, [n * num_images_per_prompt, 77, c] each, and what each comes to as a whole, [n *
        num_images_per_prompt, k] each; None for those of the negative prompts without guidance."""
        prompts = Prompts(prompt, prompt_2, negative_prompt, negative_prompt_2, prompt_embeds, negative_prompt_embeds, pooled_prompt_embeds, negative_pooled_prompt_embeds)
        call = Call(_cross_attention_kwargs=None if lora_scale is None else {"scale": lora_scale})
        return tuple(None if x is None else public(x) for x in self._embed_all(call, prompts, num_images_per_prompt, do_classifier_free_guidance, clip_skip))  # type: ignore[return-value]

    def _embed_all(self, call: Call, prompts: Prompts, repeats: int, guided: bool, clip_skip: int | None) -> Sides:
        if prompts.prompt_embeds is None:
            positive = self._encode(self._read(prompts.texts()), "prompt", clip_skip, call)
        else:
            positive = self._given("prompt_embeds", prompts.prompt_embeds, prompts.pooled_prompt_embeds)
        negative = self._negative(call, prompts, positive, clip_skip) if guided else None
        call.texts = Texts(positive, negative, repeats, one_length=self.prompt_syntax != "plain")
        return call.texts.at(0)

    def _negative(self, call: Call, prompts: Prompts, positive: list[Encoded], clip_skip: int | None) -> list[Encoded]:
        if prompts.negative_prompt_embeds is not None:
            negative = self._given("negative_prompt_embeds", prompts.negative_prompt_embeds, prompts.negative_pooled_prompt_embeds)
            if len(negative) != len(positive):
                raise ValueError(f"`negative_prompt_embeds` are {len(negative)} for {len(positive)} prompts")
            return negative
        if prompts.negative_prompt is None and self.force_zeros_for_empty_prompt:
            return nothing(positive)
        skip = None if self.prompt_syntax == "plain" else clip_skip  # diffusers leaves the negative prompt whole
        return self._encode(self._read(prompts.negative_texts(len(positive))), "negative_prompt", skip, call)

    def _read(self, texts: list[tuple[str, str]]) -> list[tuple[str, ...]]:
        """As many of each pair as there are text encoders."""
        return [pair[: len(self._readers())] for pair in texts]

    def _given(self, name: str, embeds: Any, pooled: Any) -> list[Encoded]:
        contexts, wholes = to_numpy(embeds), to_numpy(pooled)
        encoded = given(contexts, wholes)
        self._check_embeds(name, encoded)
        if wholes.ndim != 2 or len(wholes) != len(contexts):
            raise ValueError(f"`{name.replace('prompt', 'pooled_prompt')}` have shape {wholes.shape}, expected ({len(contexts)}, projection_dim)")
        return encoded

    def _text_names(self, call: Call, texts: Sides, guided: bool = True) -> dict[str, Any]:
        names = super()._text_names(call, texts, guided)
        ids, negative_ids = (np.repeat(np.array([row], np.float32), len(texts.positive), axis=0) for row in call.time_ids)
        both = guided and texts.negative is not None
        names["add_text_embeds"] = led(texts.negative_pooled if both else None, texts.pooled)
        names["add_time_ids"] = led(negative_ids if both else None, ids)
        return names

    # Numbers about the picture

    def _time_ids(self, numbers: PictureNumbers, size: tuple[int, int], pooled: np.ndarray) -> tuple[list[float], list[float]]:
        """For the prompt's side and the negative prompt's, as diffusers' tasks with a picture do it. Raises ValueError where the UNet takes others."""
        n = numbers
        original, target = n.original_size or size, n.target_size or size
        negative_original, negative_target = n.negative_original_size or original, n.negative_target_size or target
        if self.requires_aesthetics_score:
            ids = [*original, *n.crops_coords_top_left, n.aesthetic_score]
            negative = [*negative_original, *n.negative_crops_coords_top_left, n.negative_aesthetic_score]
        else:
            ids = [*original, *n.crops_coords_top_left, *target]
            negative = [*negative_original, *n.crops_coords_top_left, *negative_target]  # diffusers, too, takes the prompt's crop
        return self._checked_ids(ids, pooled), self._checked_ids(negative, pooled)

    def _checked_ids(self, ids: list[float], pooled: np.ndarray) -> list[float]:
        each, wanted = self.unet.config.addition_time_embed_dim, self.unet.config.projection_class_embeddings_input_dim
        if wanted != (found := each * len(ids) + pooled.shape[-1]):
            way = "enable" if wanted == found - each and not self.requires_aesthetics_score else "disable" if wanted == found + each and self.requires_aesthetics_score else None
            hint = "the embeddings are of another text encoder, or a size is no pair of numbers" if way is None else f"please {way} `requires_aesthetics_score` with `pipe.register_to_config(...)`"
            raise ValueError(f"Model expects an added time embedding vector of length {wanted}, but a vector of {found} was created: {hint}")
        return [float(value) for value in ids]

    # The walk

    def _prepare(self, prompts: Prompts, generator: Any, num_images_per_prompt: int | None, extras: Extras, **settings: Any) -> tuple[Call, int, Any]:
        """The call, how many pictures it draws, and its generators."""
        self._check_prompts(prompts.prompt, prompts.negative_prompt, prompts.prompt_embeds, prompts.negative_prompt_embeds)
        prompts.check()
        batch = self._batch_size(prompts.prompt, prompts.prompt_embeds) * self._repeats(num_images_per_prompt)
        call = Call(scheduler=self._scheduler.copy(), extras=extras, **settings)
        return call, batch, self._check_generators(extras.generators(generator, batch), batch)

    def _first(self, call: Call, steps: int, strength: float) -> tuple[int, int]:
        """Where the walk begins, and how many steps are left of it from there on."""
        if not _within(call._denoising_start):
            return first_step(call.scheduler, steps, strength), steps_to_run(steps, strength)
        times = call.scheduler._times()
        left = int((times < self._cutoff(call, call._denoising_start)).sum())
        left += call.scheduler.order == 2 and left % 2 == 0  # not between the halves of a step
        if left < 1:
            raise ValueError(f"`denoising_start` is {call._denoising_start}, which leaves no step of {steps}")
        return len(times) - left, left

    def _end(self, call: Call, first: int) -> int:
        """Behind the last place of the walk."""
        times, start, end = call.scheduler._times(), call._denoising_start, call._denoising_end
        if not _within(end):
            return len(times)
        if _within(start) and start >= end:
            raise ValueError(f"`denoising_start`: {start} cannot be larger than or equal to `denoising_end`: {end} when using type float.")
        return first + int((times[first:] >= self._cutoff(call, end)).sum())

    @staticmethod
    def _cutoff(call: Call, share: float) -> int:
        train = call.scheduler.config.num_train_timesteps
        return int(round(train - share * train))

    # The end

    def _made_safe(self, pixels: np.ndarray) -> tuple[np.ndarray, list[bool] | None]:
        return pixels, None  # these models come without a safety checker

    @staticmethod
    def _output(images: Any, flagged: list[bool] | None) -> Any:
        return StableDiffusionXLPipelineOutput(images=images)


def _within(share: Any) -> bool:
    """As diffusers: anything else is as if it was not said."""
    return isinstance(share, float) and 0 < share < 1
