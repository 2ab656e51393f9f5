"""Pictures to arrays and back, as diffusers' VaeImageProcessor does it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from .arrays import is_torch, public, to_numpy


def _nearest(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """[n, c, h, w] at another size, as torch's `interpolate` does it by default."""
    rows = np.minimum((np.arange(height) * (np.float32(x.shape[2]) / np.float32(height))).astype(np.int64), x.shape[2] - 1)
    columns = np.minimum((np.arange(width) * (np.float32(x.shape[3]) / np.float32(width))).astype(np.int64), x.shape[3] - 1)
    return np.ascontiguousarray(x[:, :, rows][:, :, :, columns])


def _as_list(image: Any) -> list[Any]:
    images = list(image) if isinstance(image, (list, tuple)) else [image]
    fits = bool(images) and all(isinstance(i, Image.Image) or ((isinstance(i, np.ndarray) or is_torch(i)) and i.ndim in (2, 3, 4)) for i in images)
    if not fits or len({isinstance(i, Image.Image) for i in images}) > 1:
        raise ValueError(f"Input is in incorrect format. Currently, we only support PIL pictures, NumPy arrays, torch tensors and lists of one kind, not {type(image)}")
    return images


def _stacked(images: list[Any], grayscale: bool) -> np.ndarray:
    """Arrays [h, w, c] or tensors [c, h, w], in lists or batches, to [n, c, h, w]."""
    channels_first = is_torch(images[0])
    arrays = [to_numpy(i) for i in images]
    if grayscale:  # a dimension for the one channel where it is left out
        arrays = [a[None, None] if a.ndim == 2 and channels_first else a[None, ..., None] if a.ndim == 2 else a for a in arrays]
        arrays = [a[:, None] if a.ndim == 3 and channels_first else a[None] if a.ndim == 3 and a.shape[-1] == 1 else a[..., None] if a.ndim == 3 else a for a in arrays]
    x = np.concatenate(arrays) if arrays[0].ndim == 4 else np.stack(arrays)
    if x.ndim == 3:
        x = x[..., None]
    return x if channels_first else np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def preprocess(image: Any, height: int | None = None, width: int | None = None, *, scale: int = 8, latent_channels: int = 4, mask: bool = False, normalize: bool = True) -> np.ndarray:
    """Pictures to float32 [n, 3, height, width] in -1..1, without `normalize` in 0..1, or, `mask`, [n, 1, height, width] of 0 and 1.

    A size that is not given is the picture's own, rounded down to a multiple of `scale`. Arrays and tensors hold 0..1; tensors of
    `latent_channels` channels are latents and stay as they are, and so are arrays [n, latent_channels, h, w]. Raises ValueError for other input.
    """
    images = _as_list(image)
    if isinstance(images[0], Image.Image):
        first = images[0]
        w, h = ((s - s % scale) for s in (width or first.width, height or first.height))
        if w < 1 or h < 1:
            raise ValueError(f"image is {first.width} x {first.height} pixels, at least {scale} x {scale} are needed")
        mode = "L" if mask else "RGB"
        x = np.stack([np.asarray(i.resize((w, h), Image.Resampling.LANCZOS).convert(mode), np.float32) / np.float32(255) for i in images])
        x = x[..., None] if x.ndim == 3 else x
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    else:
        if not mask and (latents := _latents(images, latent_channels)) is not None:
            return latents
        x = _stacked(images, grayscale=mask)
        w, h = ((s - s % scale) for s in (width or x.shape[3], height or x.shape[2]))
        x = x if x.shape[2:] == (h, w) else _nearest(x, h, w)
    if mask:
        return (x >= 0.5).astype(np.float32)
    if x.shape[1] != 3:
        raise ValueError(f"image has {x.shape[1]} channels, expected 3: arrays are [height, width, 3], tensors [3, height, width]")
    if not normalize:
        return x
    if x.min() < 0:
        warnings.warn(f"`image` should hold 0..1 but holds {x.min():g}..{x.max():g}; taken as -1..1", FutureWarning, stacklevel=3)
        return x
    return 2 * x - 1


def _latents(images: list[Any], channels: int) -> np.ndarray | None:
    """Tensors, and batches of arrays that cannot be pictures, of that many channels, which come first in both."""
    first = images[0]
    if is_torch(first):
        x = _stacked(images, grayscale=False)
        return x if x.shape[1] == channels else None
    return np.concatenate([to_numpy(i) for i in images]) if first.ndim == 4 and first.shape[1] == channels and first.shape[3] not in (1, 3) else None


def size_of(image: Any, height: int | None, width: int | None, scale: int = 8) -> tuple[int, int]:
    """Height and width that `preprocess` gives."""
    first = _as_list(image)[0]
    if isinstance(first, Image.Image):
        own = (first.height, first.width)
    else:
        own = tuple(first.shape[-2:]) if is_torch(first) else tuple(first.shape[:2] if first.ndim < 4 else first.shape[1:3])
    return tuple(s - s % scale for s in (height or own[0], width or own[1]))  # type: ignore[return-value]


def postprocess(x: np.ndarray, output_type: str) -> Any:
    """Pixels [n, 3, h, w] in -1..1 to "pil", "np" ([n, h, w, 3] in 0..1) or "pt" ([n, 3, h, w] in 0..1)."""
    x = np.clip(x * np.float32(0.5) + np.float32(0.5), 0, 1)
    if output_type == "pt":
        import torch  # noqa: F401  (public() looks for it)

        return public(x)
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if output_type == "np":
        return x
    return [Image.fromarray(picture) for picture in (x * 255).round().astype("uint8")]


def resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at the latents' size, by nearest neighbours, as diffusers takes it."""
    return _nearest(mask, height, width)


def crop_region(mask: Any, width: int, height: int, pad: int) -> tuple[int, int, int, int]:
    """The box of the white part of a mask with `pad` pixels around it, grown to the proportions of width and height where there is room."""
    seen = np.asarray(mask.convert("L")) > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if len(rows) == 0:
        raise ValueError("mask_image is black all over: there is nothing to repaint, and nothing to crop to")
    x1, y1 = max(columns[0] - pad, 0), max(rows[0] - pad, 0)
    x2, y2 = min(columns[-1] + 1 + pad, mask.width), min(rows[-1] + 1 + pad, mask.height)
    if (x2 - x1) / (y2 - y1) > width / height:
        y1, y2 = _grown(y1, y2, int((x2 - x1) / (width / height) - (y2 - y1)), mask.height)
    else:
        x1, x2 = _grown(x1, x2, int((y2 - y1) * (width / height) - (x2 - x1)), mask.width)
    return int(x1), int(y1), int(x2), int(y2)


def _grown(low: int, high: int, by: int, most: int) -> tuple[int, int]:
    """The range `by` longer, moved to lie in 0..most where it can."""
    low, high = low - by // 2, high + by - by // 2
    if high >= most:
        low, high = low - (high - most), most
    if low < 0:
        low, high = 0, high - low
    return low, min(high, most)


def fill(picture: Any, width: int, height: int) -> Any:
    """The whole picture at its proportions in the middle of width x height, its borders stretched to fill the rest."""
    ratio, own = width / height, picture.width / picture.height
    w = width if ratio < own else picture.width * height // picture.height
    h = height if ratio >= own else picture.height * width // picture.width
    resized = picture.resize((w, h), Image.Resampling.LANCZOS)
    out = Image.new("RGB", (width, height))
    left, top = width // 2 - w // 2, height // 2 - h // 2
    out.paste(resized, box=(left, top))
    if ratio < own and (rest := height // 2 - h // 2) > 0:
        out.paste(resized.resize((width, rest), box=(0, 0, width, 0)), box=(0, 0))
        out.paste(resized.resize((width, rest), box=(0, h, width, h)), box=(0, rest + h))
    elif ratio > own and (rest := width // 2 - w // 2) > 0:
        out.paste(resized.resize((rest, height), box=(0, 0, 0, height)), box=(0, 0))
        out.paste(resized.resize((rest, height), box=(w, 0, w, height)), box=(rest + w, 0))
    return out


def cut_to(picture: Any, width: int, height: int) -> Any:
    """The middle of the picture at the proportions of width x height."""
    ratio, own = width / height, picture.width / picture.height
    w = width if ratio > own else picture.width * height // picture.height
    h = height if ratio <= own else picture.height * width // picture.width
    out = Image.new("RGB", (width, height))
    out.paste(picture.resize((w, h), Image.Resampling.LANCZOS), box=(width // 2 - w // 2, height // 2 - h // 2))
    return out


def overlay(mask: Any, original: Any, drawn: Any, box: tuple[int, int, int, int]) -> Any:
    """What was drawn for a box of the original, put back into it; outside the mask's white part the original's pixels stay."""
    size = (original.width, original.height)
    kept = Image.new("RGBa", size)
    kept.paste(original.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask.convert("L")))
    base = Image.new("RGBA", size)
    base.paste(cut_to(drawn, box[2] - box[0], box[3] - box[1]), (box[0], box[1]))
    out = base.convert("RGB").convert("RGBA")
    out.alpha_composite(kept.convert("RGBA"))
    return out.convert("RGB")
