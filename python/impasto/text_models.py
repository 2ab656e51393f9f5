"""CLIP's text encoders and its tokenizer, called as transformers' are."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core, devices
from .arrays import is_torch, public, to_numpy
from .config import FrozenDict
from .models import Model, refuse_extras
from .outputs import TextEncoderOutput, TextEncoderProjectionOutput
from .textual_inversion import NewWords


class CLIPTextModel(Model):
    """CLIP's text encoder (Radford et al., 2021), as `transformers.CLIPTextModel` without attention masks."""

    _core_class = _core.TextModel

    def __init__(self, core: Any, config: dict[str, Any], folder: str | None = None, place: devices.Place | None = None, wished: str | None = None):
        super().__init__(core, config, folder, place, wished)
        self.new_words = NewWords()

    def forward(self, input_ids: Any, *, clip_skip: int | None = None, return_dict: bool = True, stop: Any = None, **kwargs: Any) -> Any:
        """Ids [n, tokens] to [n, tokens, hidden_size] after the final norm, `clip_skip` layers left out at the end."""
        refuse_extras(**{name: value for name, value in kwargs.items() if value is not False})
        out = _beside(self._ready().forward(to_numpy(input_ids, np.int32), clip_skip or 0, stop), input_ids)
        return TextEncoderOutput(last_hidden_state=out) if return_dict else (out,)

    __call__ = forward


class CLIPTextModelWithProjection(CLIPTextModel):
    """The text encoder that also says what a text comes to as a whole, as `transformers.CLIPTextModelWithProjection`: the second one of SDXL."""

    def forward(self, input_ids: Any, *, clip_skip: int | None = None, return_dict: bool = True, stop: Any = None, **kwargs: Any) -> Any:
        """Ids [n, tokens] to `.text_embeds` [n, projection_dim], of each text where it ends, and `.last_hidden_state` [n, tokens, hidden_size]."""
        states = super().forward(input_ids, clip_skip=clip_skip, return_dict=False, stop=stop, **kwargs)[0]
        ids = to_numpy(input_ids, np.int32)
        end = self.config.get("eos_token_id", 2)
        # as transformers: early configs name an end that is none, and the end of a text has the highest id
        embeds = _beside(self._ready().pooled(ids, int(ids.max()) if end == 2 else end, stop), input_ids)
        return TextEncoderProjectionOutput(text_embeds=embeds, last_hidden_state=states) if return_dict else (embeds, states)

    __call__ = forward


def _beside(out: np.ndarray, ids: Any) -> Any:
    """A torch tensor where the ids are one."""
    return public(out) if is_torch(ids) else out


class CLIPTokenizer:
    """CLIP's byte-pair tokenizer: `tokenizer("text", padding="max_length").input_ids`."""

    def __init__(self, core: Any, folder: str | None = None):
        self._core = core
        self._folder = folder
        self.model_max_length: int = core.max_length
        self.bos_token_id: int = core.start_id
        self.eos_token_id: int = core.end_id
        self.pad_token_id: int = core.pad_id

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str, *, subfolder: str | None = None, **kwargs: Any) -> "CLIPTokenizer":
        from .loading import component_folder

        folder = component_folder(str(pretrained_model_name_or_path), subfolder, kwargs)
        return cls(_core.Tokenizer.load(folder), folder)

    def __call__(self, text: str | list[str], padding: Any = False, max_length: int | None = None, truncation: bool | None = None, return_tensors: str | None = None, **_: Any) -> FrozenDict:
        """Ids of each text, start and end included. `padding="max_length"` cuts and pads to 77; `return_tensors` may be "np" or "pt"."""
        texts = [text] if isinstance(text, str) else text
        if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
            raise ValueError(f"text has to be a str or a list of them, but is {type(text)}")
        ids = [self.encode_padded(t)[0] if padding == "max_length" else self._core.encode(t) for t in texts]
        if padding in (True, "longest"):
            longest = max(map(len, ids))
            ids = [row + [self.pad_token_id] * (longest - len(row)) for row in ids]
        if return_tensors is None:
            return FrozenDict(input_ids=ids[0] if isinstance(text, str) else ids)
        array = np.array(ids, np.int64)
        if return_tensors == "pt":
            import torch

            return FrozenDict(input_ids=torch.from_numpy(array))
        return FrozenDict(input_ids=array)

    def encode_padded(self, text: str) -> tuple[list[int], str]:
        """Exactly 77 ids, and the part of the text that was cut."""
        if not isinstance(text, str):
            raise ValueError(f"a prompt has to be a str, but is {type(text)}")
        return self._core.encode_padded(text)
