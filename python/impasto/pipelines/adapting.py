"""What changes a pipeline's weights and words: adapters and textual inversion, by diffusers' methods."""

from __future__ import annotations

from typing import Any

from ..adapters import Adapters
from ..once import accepted
from ..textual_inversion import forget, teach


class Adapting:
    """Pipelines that share the UNet share its adapters, those that share a text encoder its words, as in diffusers."""

    _core: Any
    unet: Any

    def _text_encoders(self) -> dict[str, Any]:
        """Those that are there, by name."""
        return {name: part for name in ("text_encoder", "text_encoder_2") if (part := getattr(self, name, None)) is not None}

    def _readers(self) -> list[tuple[Any, Any]]:
        """The text encoders, and the tokenizer of each."""
        return [(encoder, getattr(self, name.replace("text_encoder", "tokenizer"))) for name, encoder in self._text_encoders().items()]

    def load_lora_weights(self, pretrained_model_name_or_path_or_dict: Any, adapter_name: str | None = None, **kwargs: Any) -> None:
        """Attaches an adapter: a file (`.safetensors`, or `.bin` and `.pt` by the reader that executes nothing), a folder or repository with one
        (`weight_name` says which), or its tensors by name.

        kohya-ss's, LyCORIS's, PEFT's and diffusers' names; LoRA, LoCon, LoHa, LoKr, DoRA. It is merged into float32 weights, at scale 1
        until `set_adapters` says otherwise. Raises OSError where there is no such file, or it was made for another model; ValueError for a name that is taken.
        """
        self._adapters.load(pretrained_model_name_or_path_or_dict, adapter_name, kwargs)

    def set_adapters(self, adapter_names: str | list[str], adapter_weights: Any = None) -> None:
        """Which adapters count, and how much: a number for all, one for each, or `{"unet": ..., "text_encoder": ..., "text_encoder_2": ...}` for each."""
        self._adapters.choose(adapter_names, adapter_weights)

    def get_active_adapters(self) -> list[str]:
        return self._adapters.active_names()

    def get_list_adapters(self) -> dict[str, list[str]]:
        names = self._adapters.names()
        return {part: names for part in ("unet", *self._text_encoders())} if names else {}

    def delete_adapters(self, adapter_names: str | list[str]) -> None:
        self._adapters.delete(adapter_names)

    def unload_lora_weights(self) -> None:
        """Takes all adapters off, but for what `fuse_lora` has fused."""
        self._adapters.clear()

    def disable_lora(self) -> None:
        self._adapters.enable(False)

    def enable_lora(self) -> None:
        self._adapters.enable(True)

    def fuse_lora(self, components: Any = (), lora_scale: float = 1.0, safe_fusing: bool = False, adapter_names: list[str] | None = None, **_: Any) -> None:
        """Keeps what the adapters make of the weights now, `lora_scale` times, until `unfuse_lora`; they are merged either way."""
        self._adapters.fuse(lora_scale, adapter_names)

    def unfuse_lora(self, components: Any = (), **_: Any) -> None:
        self._adapters.unfuse()

    @property
    def _adapters(self) -> Adapters:
        if getattr(self.unet, "_adapters", None) is None:
            if self._core is None:
                raise NotImplementedError("adapters need a pipeline of from_pretrained; this one was put together from parts")
            self.unet._adapters = Adapters(self._engine(), self.unet, self._text_encoders())
        return self.unet._adapters

    def load_textual_inversion(self, pretrained_model_name_or_path: Any, token: str | list[str] | None = None, tokenizer: Any = None, text_encoder: Any = None, **kwargs: Any) -> None:
        """Teaches the text encoder words: a file (`.safetensors`, `.pt`, `.bin`), a folder or repository with one (`weight_name` says which), a
        state dict, a tensor [vectors, width], or a list of those.

        `token` is the word, or a word for each; without, the one that the file holds, or else the file's name. It counts in any case, as a whole word.
        Where the model has two text encoders, `text_encoder` and `tokenizer` say which of them learns it; without, each does that the file has vectors for.
        Raises ValueError for a word that is there already and for vectors of another text encoder's width, OSError where there is no such file; then
        no word of the call is added.
        """
        learners = [(encoder, words._core) for encoder, words in self._readers() if text_encoder in (None, encoder) and tokenizer in (None, words)]
        if not learners:  # not this pipeline's
            learners = [(text_encoder, (tokenizer or self._readers()[0][1])._core)]
        teach(learners, pretrained_model_name_or_path, token, kwargs)

    def unload_textual_inversion(self, tokens: str | list[str] | None = None, tokenizer: Any = None, text_encoder: Any = None) -> None:
        """Forgets these words, or all. Raises ValueError when none of them is there."""
        forget([text_encoder] if text_encoder is not None else list(self._text_encoders().values()), tokens)

    @property
    def fused_loras(self) -> set[str]:
        """The names of the adapters that `fuse_lora` has fused."""
        return self._adapters.fused_names()

    @property
    def num_fused_loras(self) -> int:
        return len(self.fused_loras)

    set_lora_device = accepted("set_lora_device")
    enable_lora_hotswap = accepted("enable_lora_hotswap")

    def maybe_convert_prompt(self, prompt: Any, tokenizer: Any = None) -> Any:
        """The prompt as it is: words of several vectors need no spelling out here."""
        return prompt
