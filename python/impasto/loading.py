"""Where models come from: folders, and the Hub, through huggingface_hub where that is installed and through the engine where it is not."""

from __future__ import annotations

import os
import re
from typing import Any

from . import _core
from .once import logger, say_once

# What a checkpoint's download needs: never two copies of the weights.
_PATTERNS = ["*.json", "*/*.json", "tokenizer*/*.txt", "unet/*{v}.safetensors", "vae/*{v}.safetensors", "text_encoder/*{v}.safetensors", "text_encoder_2/*{v}.safetensors"]
_CHECKER = "safety_checker/*{v}.safetensors"
# as diffusers takes them
_LINK = re.compile(r"^(?:https?://[^/]+/)(?P<repository>[^/]+/[^/]+)/(?:(?:blob|resolve)/(?P<revision>[^/]+)/)?(?P<file>.+)$")
_HUB = ("cache_dir", "revision", "token", "local_files_only", "force_download", "proxies")


class NotFound(OSError, ValueError):
    """What a name does not lead to a model. diffusers raises OSError for some such names and ValueError for others: this is both."""


def built_in_model() -> str:
    """The folder of the small model that comes with Impasto: simple drawn scenes, 128 x 128 pixels, no download, no account.

    Raises FileNotFoundError where it was left out."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [os.environ.get("IMPASTO_MODEL", ""), os.path.join(here, "models", "sketchbook")]
    folder = os.path.realpath(here)
    places += [os.path.join(folder, *[".."] * up, "models", "sketchbook") for up in range(1, 5)]
    for place in places:
        if place and os.path.exists(os.path.join(place, "model_index.json")):
            return os.path.normpath(place)
    raise FileNotFoundError("the built-in model did not come with this installation; name a checkpoint's folder instead")


def _from_hub(name: str, patterns: list[str], options: dict[str, Any], variant: str | None = None) -> str:
    if name.count("/") > 1 or name.startswith((".", "/", "~")) or not name:
        raise NotFound(f"{name}: no such file or folder, and no name of a repository of the Hub")
    try:
        try:
            import huggingface_hub
        except ImportError:
            return _from_hub_by_engine(name, patterns, variant, options)
        return huggingface_hub.snapshot_download(name, allow_patterns=patterns, **options)
    except Exception as error:  # huggingface_hub's own types, of which some are OSError and some are not
        raise OSError(f"{name} is neither a folder here nor could it be fetched from the Hub: {error}") from error


def _from_hub_by_engine(name: str, patterns: list[str], variant: str | None, options: dict[str, Any]) -> str:
    """The same cache, without huggingface_hub. With a `variant` ("" for none) what a whole model needs, else what the patterns say."""
    token = options.get("token")
    name = f"{name}@{options['revision']}" if options.get("revision") else name
    settings = {
        "variant": variant or "",
        "files": patterns if variant is None else [],
        "token": {True: None, False: ""}[token] if isinstance(token, bool) else token,
        "cache": os.fspath(options.get("cache_dir", "")),
        "verify": bool(options.get("force_download")),
    }
    try:
        return _core.download(name, **settings, local_files_only=bool(options.get("local_files_only")))
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:  # no network: what is here will do, as with huggingface_hub
        try:
            folder = _core.download(name, **settings, local_files_only=True)
        except OSError:
            raise error from None
        logger.warning("%s: using the one in the cache, since the Hub could not be asked: %s", name, error)
        return folder


def _hub_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: kwargs[key] for key in _HUB if kwargs.get(key) is not None and key != "proxies"}


def checkpoint_folder(name: str, kwargs: dict[str, Any]) -> str:
    """The folder of a checkpoint: `name` itself, or what the Hub has under it. Raises OSError."""
    variant = kwargs.get("variant")
    if not os.path.isdir(name):
        v = f".{variant}" if variant else ""
        patterns = _PATTERNS if kwargs.get("safety_checker", _CHECKER) is None else [*_PATTERNS, _CHECKER]  # a gigabyte, and wanted, as with diffusers, unless None is said
        return _from_hub(name, [p.format(v=v) for p in patterns], _hub_options(kwargs), variant or "")
    if variant:
        _check_variant(os.path.join(name, "unet"), variant)
    return name


def component_folder(name: str, subfolder: str | None, kwargs: dict[str, Any]) -> str:
    """The folder of one component."""
    root = name if os.path.isdir(name) else _from_hub(name, [f"{subfolder or '*'}/*.json", f"{subfolder or '*'}/*.txt", f"{subfolder or '*'}/*.safetensors"], _hub_options(kwargs))
    folder = os.path.join(root, subfolder) if subfolder else root
    if not os.path.isdir(folder):
        raise OSError(f"{folder}: no such folder")
    return folder


def single_file(name: str, kwargs: dict[str, Any]) -> str:
    """The path of a checkpoint in one file: `name` itself, or what a link to the Hub (https://.../ORG/NAME/blob/REV/FILE) leads to. Raises OSError."""
    if os.path.isfile(name):
        return name
    link = _LINK.match(name)
    if not link:
        raise NotFound(f"{name}: no such file, and no link to one on the Hub")
    options = _hub_options(kwargs)
    options.setdefault("revision", link["revision"] or "main")
    return os.path.join(_from_hub(link["repository"], [link["file"]], options), link["file"])


def config_folder(name: str, kwargs: dict[str, Any]) -> str:
    """A folder with the configs and the tokenizer of a checkpoint, no weights. Raises OSError."""
    return name if os.path.isdir(name) else _from_hub(name, ["*.json", "*/*.json", "tokenizer*/*.txt"], _hub_options({**kwargs, "revision": None}))


def component_config_folder(name: str, kwargs: dict[str, Any]) -> str:
    """The same for one network: the subfolder that is named, if any."""
    return os.path.join(config_folder(name, kwargs), kwargs.get("subfolder") or "")


def adapter_file(name: str, kwargs: dict[str, Any]) -> str:
    """An adapter's file: `name` itself, or the one in a folder or a repository of the Hub. Raises OSError, also where several would do."""
    return _one_file(name, kwargs, "adapter", ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"), (".safetensors",))


def ip_adapter_file(name: str, subfolder: str, weight_name: str, kwargs: dict[str, Any]) -> str:
    """An IP-Adapter's file in a folder or a repository of the Hub. Raises OSError."""
    return _one_file(name, {**kwargs, "subfolder": subfolder, "weight_name": weight_name}, "IP-Adapter", (), (".safetensors", ".bin"))


def embedding_file(name: str, kwargs: dict[str, Any]) -> str:
    """The same for textual inversion."""
    kwargs = {**kwargs, "token": kwargs.get("hf_token")}  # `token` is the word
    return _one_file(name, kwargs, "embedding", ("learned_embeds.safetensors", "learned_embeds.bin"), (".safetensors", ".bin", ".pt"))


def _one_file(name: str, kwargs: dict[str, Any], what: str, usual: tuple[str, ...], endings: tuple[str, ...]) -> str:
    if os.path.isfile(name):
        return name
    wanted, subfolder = kwargs.get("weight_name"), kwargs.get("subfolder") or ""
    root = name if os.path.isdir(name) else _from_hub(name, [os.path.join(subfolder, p) for p in ([wanted] if wanted else [f"*{e}" for e in endings])], _hub_options(kwargs))
    folder = os.path.join(root, subfolder)
    if wanted:
        if not os.path.isfile(os.path.join(folder, wanted)):
            raise OSError(f"{folder}: there is no file {wanted}")
        return os.path.join(folder, wanted)
    files = sorted(file for file in os.listdir(folder) if file.endswith(endings))
    for file in usual:
        if os.path.isfile(os.path.join(folder, file)):
            return os.path.join(folder, file)
    if len(files) != 1:
        raise OSError(f"{folder}: {'several files' if files else 'no file'} could be the {what}; say which with weight_name: {', '.join(files) or 'there is no ' + ' or '.join(endings) + ' file'}")
    return os.path.join(folder, files[0])


def _check_variant(folder: str, variant: str) -> None:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if not any(f".{variant}." in name for name in names):
        raise NotFound(f"{folder}: no weights of variant {variant!r}; it holds {', '.join(sorted(names)) or 'nothing'}")
    if any(name.endswith(".safetensors") and f".{variant}." not in name for name in names):
        say_once(f"{folder} holds weights with and without variant {variant!r}; those without, which are no less exact, are used")


def warn_unused(kwargs: dict[str, Any]) -> None:
    """Settings of diffusers' loaders that mean nothing here are accepted and said once; unknown ones too, as diffusers does."""
    for name, value in kwargs.items():
        if value is not None:
            logger.info("from_pretrained: %s=%r has nothing to do in Impasto", name, value)
