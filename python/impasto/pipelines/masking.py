"""What inpainting does with masks, whatever the model."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from PIL import Image

from .. import image_processor
from ..arrays import to_numpy
from .call import Call
from .image_to_image import sample_latents
from .stable_diffusion import start


class Masking:
    """Methods of pipelines that draw a masked part anew."""

    unet: Any
    vae: Any
    vae_scale_factor: int

    def _check_pictures(self, image: Any, mask: Any, crop: int | None, output_type: str | None) -> None:
        if image is None:
            raise ValueError("`image` input cannot be undefined.")
        if mask is None:
            raise ValueError("`mask_image` input cannot be undefined.")
        if crop is not None:
            if not isinstance(image, Image.Image) or not isinstance(mask, Image.Image):
                raise ValueError(f"The image and the mask should be PIL pictures when inpainting a mask crop, but are of type {type(image)} and {type(mask)}.")
            if output_type != "pil":
                raise ValueError(f"The output type should be PIL when inpainting a mask crop, but is {output_type}.")
        if self.unet.config.in_channels not in (4, 9):
            raise ValueError(f"The unet {type(self.unet)} should have either 4 or 9 input channels, not {self.unet.config.in_channels}.")

    def _first_latents(self, call: Call, picture: np.ndarray, batch: int, height: int, width: int, generator: Any, latents: Any, first: int, strength: float, add_noise: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """What the walk begins with, its noise, and the picture's own latents where the loop needs them (models of 4 channels). Without `add_noise` it begins
        with the picture's latents as they are."""
        channels = self.vae.config.latent_channels
        clean = None
        if self.unet.config.in_channels == 4 or (latents is None and strength < 1) or not add_noise:
            clean = picture if picture.shape[1] == channels else self._encode_pictures(call, picture, generator)
            clean = np.tile(clean, (batch // len(clean), 1, 1, 1))
        noise = start(call, (batch, channels, height // self.vae_scale_factor, width // self.vae_scale_factor), generator, latents if add_noise else None)
        if not add_noise:
            x = clean
        elif latents is None and strength < 1:
            x = call.scheduler._core.add_noise(clean, noise, first)
        else:
            x = noise * np.float32(call.scheduler.init_noise_sigma)
        return x, noise, clean if self.unet.config.in_channels == 4 else None

    def _encode_pictures(self, call: Call, pictures: np.ndarray, generator: Any) -> np.ndarray:
        if isinstance(generator, list):
            return np.concatenate([sample_latents(self, call, pictures[i : i + 1], generator[i]) for i in range(len(pictures))])
        return sample_latents(self, call, pictures, generator)

    def _mask_latents(self, call: Call, mask: np.ndarray, picture: np.ndarray, given: Any, batch: int, height: int, width: int, generator: Any) -> tuple[np.ndarray, np.ndarray]:
        """The mask at the latents' size and the latents of the picture without what is under it, one for each of the batch; of a picture that is latents, those."""
        under = image_processor.resize_mask(mask, height // self.vae_scale_factor, width // self.vae_scale_factor)
        channels = self.vae.config.latent_channels
        masked = to_numpy(given) if given is not None else picture if picture.shape[1] == channels else picture * (mask < 0.5)
        if masked.shape[1] != channels:
            masked = self._encode_pictures(call, masked.astype(np.float32), generator)
        for name, x in (("masks", under), ("images", masked)):
            if batch % len(x) != 0:
                raise ValueError(f"{len(x)} {name} were passed for a batch of {batch}: make the batch a multiple of them")
        return np.tile(under, (batch // len(under), 1, 1, 1)), np.tile(masked, (batch // len(masked), 1, 1, 1))


def keeper(call: Call, clean: np.ndarray, noise: np.ndarray, batch: int, end: int | None = None) -> Callable[[np.ndarray, int, dict[str, np.ndarray]], np.ndarray]:
    """Puts what is not under the mask back after each step, at the next noise level. The walk ends before place `end`."""
    last = (len(call.scheduler._core.timesteps) if end is None else end) - 1

    def keep(latents: np.ndarray, place: int, names: dict[str, np.ndarray]) -> np.ndarray:
        mask = names["mask"][:batch]
        proper = clean if place == last else call.scheduler._core.add_noise(clean, noise, place + 1)
        return (1 - mask) * proper + mask * latents

    return keep


def cropped(picture: Any, box: tuple[int, int, int, int] | None, width: int, height: int) -> Any:
    return picture if box is None else image_processor.fill(picture.crop(box), width, height)
