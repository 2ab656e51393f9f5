"""Pipelines from checkpoints and to them."""

from __future__ import annotations

import inspect
import json
import os
import shutil
from typing import Any

from .. import _core, devices
from ..config import read_config
from ..loading import checkpoint_folder, config_folder, single_file, warn_unused
from ..models import StableDiffusionSafetyChecker
from .parts import parts_of, parts_of_file

_SAVED = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet")


class Checkpoints:
    """Loading, sharing and saving."""

    _components: tuple[str, ...]
    _settings: tuple[str, ...]  # of model_index.json, beside the parts
    _passed_on: tuple[str, ...] = ()  # arguments of the loaders that the constructor takes

    @classmethod
    def _class_for(cls, name: str) -> Any:
        """The class for a checkpoint of the pipeline class that is named."""
        return cls

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Opens a checkpoint: a folder in the diffusers layout, or a repository of the Hub.

        Args:
            torch_dtype, dtype: torch.float32, float16 (computed in float32 on a CPU without AVX512-FP16) or bfloat16; a GPU has the latter two, and takes float16 where none is said.
            device, device_map: "cpu", "cuda", "cuda:1", ..., or a dictionary of them by part; "auto", "balanced" and None take a GPU where this build and this
                machine have one, else the CPU.
            variant, revision, token, cache_dir, local_files_only, force_download: as diffusers has them.
            scheduler, unet, vae, ...: parts to take instead of the checkpoint's.
            safety_checker: None for none. As diffusers, a checkpoint that has one makes black what it flags.
            num_threads: threads of the process-wide pool, 0 for one a core. map_weights: use files where they are mapped.

        Raises OSError (FileNotFoundError among it) when files are missing or damaged, NotImplementedError for architectures that the engine does
        not have, MemoryError before taking memory that is not there.
        """
        folder = checkpoint_folder(os.fspath(pretrained_model_name_or_path), kwargs)
        cls = cls._class_for(read_config(folder, "model_index.json").get("_class_name", "StableDiffusionPipeline"))
        parts = cls._taken(kwargs)
        places, wishes = devices.taken(kwargs)
        core = _core.Pipeline.load(
            folder,
            **devices.as_options(places),
            num_threads=kwargs.pop("num_threads", 0),
            map_weights=kwargs.pop("map_weights", False),
        )
        warn_unused(kwargs)
        pipe = cls(**{**cls._of_these(parts_of(core, folder, places, wishes)), **cls._more_parts(folder, parts), **parts})
        pipe._core, pipe._places, pipe._folder = core, places, folder
        return pipe

    @classmethod
    def from_single_file(cls, pretrained_model_link_or_path: Any, **kwargs: Any) -> Any:
        """Opens a single file in the layout of the first releases: safetensors, or `.ckpt`, whose pickle is read as data. A link to the Hub is fetched.

        Args:
            config: a folder in the diffusers layout (or its name on the Hub), for the tokenizer and the configs. Without, the folder beside the file that has
                its name counts, a folder `tokenizer` beside it, and what the tensors' shapes tell.
            torch_dtype, dtype, device, device_map, token, revision, cache_dir, local_files_only, scheduler, unet, ...: as in `from_pretrained`.

        Raises as `from_pretrained`, and OSError (FileNotFoundError) where no tokenizer is found.
        """
        path = single_file(os.fspath(pretrained_model_link_or_path), kwargs)
        config = kwargs.pop("config", None)
        folder = config_folder(os.fspath(config), kwargs) if config is not None else ""
        places, wishes = devices.taken(kwargs)
        core = _core.Pipeline.load(
            path,
            config=folder,
            **devices.as_options(places),
            num_threads=kwargs.pop("num_threads", 0),
            map_weights=kwargs.pop("map_weights", False),
        )
        cls = cls._class_for(core.info()["pipeline_class"])
        parts = cls._taken(kwargs)
        warn_unused(kwargs)
        pipe = cls(**{**cls._of_these(parts_of_file(core, places, wishes)), **parts})
        pipe._core, pipe._places = core, places
        return pipe

    @classmethod
    def download(cls, pretrained_model_name: str, **kwargs: Any) -> str:
        """Fetches what `from_pretrained` would of a repository of the Hub, and gives the folder. Raises OSError."""
        return checkpoint_folder(os.fspath(pretrained_model_name), kwargs)

    @classmethod
    def _more_parts(cls, folder: str, given: dict[str, Any]) -> dict[str, Any]:
        """The parts in a checkpoint's folder that only this class has, but for those that the caller gives."""
        return {}

    @classmethod
    def _taken(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The parts and settings that a caller gives, taken out of the arguments."""
        return {name: kwargs.pop(name) for name in (*cls._components, *cls._settings, *cls._passed_on) if name in kwargs}

    @classmethod
    def _of_these(cls, parts: dict[str, Any]) -> dict[str, Any]:
        """Those that the constructor takes."""
        return {name: part for name, part in parts.items() if name in inspect.signature(cls.__init__).parameters}

    @classmethod
    def from_pipe(cls, pipeline: Any, **parts: Any) -> Any:
        """This pipeline with another's parts: no weights are loaded or copied. Raises ValueError where a part is missing."""
        names = inspect.signature(cls.__init__).parameters
        settings = {name: getattr(pipeline, name) for name in getattr(pipeline, "_settings", ())}
        given = cls._of_these({**pipeline.components, **settings, **parts})
        missing = [k for k, p in names.items() if p.default is inspect.Parameter.empty and k != "self" and k not in given]
        if missing:
            raise ValueError(f"{cls.__name__} is also made of {', '.join(missing)}, which {type(pipeline).__name__} does not have: pass it here")
        pipe = cls(**given)
        pipe._core, pipe._folder = getattr(pipeline, "_core", None), getattr(pipeline, "_folder", None)
        pipe._places = getattr(pipeline, "_places", None)
        return pipe

    def save_pretrained(self, save_directory: str | os.PathLike, safe_serialization: bool = True, **_: Any) -> None:
        """Writes the checkpoint with the scheduler that is set now: weights are the files that they were loaded from."""
        for name, part in self._folders():
            source = getattr(part, "_folder", None)
            if source is None:
                raise NotImplementedError(f"{name} was not loaded from a folder, so it cannot be saved; `impasto convert FILE -o FOLDER` makes a folder of a single file")
            target = os.path.join(save_directory, name)
            if os.path.realpath(source) != os.path.realpath(target):
                shutil.copytree(source, target, dirs_exist_ok=True)
        self._scheduler.save_pretrained(os.path.join(save_directory, "scheduler"))
        index = {k: list(v) if isinstance(v, tuple) else v for k, v in self.config.items() if k != "_name_or_path"}
        with open(os.path.join(save_directory, "model_index.json"), "w", encoding="utf-8") as file:
            json.dump(index, file, indent=2)
            file.write("\n")

    def _folders(self) -> list[tuple[str, Any]]:
        """The folders with weights or a tokenizer, and the parts in them."""
        checkers = ["safety_checker"] if isinstance(getattr(self, "safety_checker", None), StableDiffusionSafetyChecker) else []
        return [(name, part) for name in (*_SAVED, *checkers) if name in self._components and (part := getattr(self, name)) is not None]
