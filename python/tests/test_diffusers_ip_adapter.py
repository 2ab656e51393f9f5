"""IP-Adapters beside diffusers."""

import numpy as np
import pytest
from beside_diffusers import CLOSE, both, picture, torch
from golden import DATA

pytestmark = pytest.mark.diffusers
SCALES = [0.7, {"down": {"block_2": [0.0, 1.0]}, "up": {"block_1": [0.0, 1.0, 0.0]}}, {"mid": 0.5, "up": 0.3}, {"down": 1.0}]


def load(fresh, *names):
    for pipe in fresh:
        pipe.load_ip_adapter(str(DATA / "ip_adapters"), subfolder="", weight_name=[f"{name}.safetensors" for name in names])


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_scales_of_blocks(fresh, scale):
    load(fresh, "plain")
    for pipe in fresh:
        pipe.set_ip_adapter_scale(scale)
    np.testing.assert_allclose(*both(fresh, "a boat", ip_adapter_image=picture(50, 40)), **CLOSE)


def test_lists_of_prompts_and_pictures(fresh):
    load(fresh, "plain", "plus")
    for pipe in fresh:
        pipe.set_ip_adapter_scale([0.6, 0.4])
    images = [picture(50, 40), [picture(30, 60, 1), picture(40, 40, 2)]]
    np.testing.assert_allclose(*both(fresh, ["a boat", "a house"], num_images_per_prompt=2, ip_adapter_image=images), **CLOSE)


def test_prepared_embeddings(fresh):
    load(fresh, "plain", "plus")
    images = [picture(50, 40), [picture(30, 60, 1), picture(40, 40, 2)]]
    with torch.no_grad():
        prepared = [pipe.prepare_ip_adapter_image_embeds(images, None, torch.device("cpu"), 2, True) for pipe in fresh]
    for ours, theirs in zip(*prepared):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-4)
    np.testing.assert_allclose(*both(fresh, "a boat", ip_adapter_image_embeds=[e[::2] for e in prepared[1]]), **CLOSE)


def test_mistakes_raise_what_diffusers_raises(fresh):
    load(fresh, "plain")
    wrong = [
        lambda pipe: pipe.set_ip_adapter_scale([1.0, 2.0]),
        lambda pipe: pipe.set_ip_adapter_scale({"up": {"block_1": [1.0, 2.0]}}),
        lambda pipe: pipe("a", num_inference_steps=1, ip_adapter_image=[picture(9, 9)] * 2),
        lambda pipe: pipe("a", num_inference_steps=1, ip_adapter_image_embeds=torch.zeros(2, 1, 24)),
        lambda pipe: pipe.load_ip_adapter(str(DATA / "ip_adapters"), subfolder="", weight_name="none.safetensors"),
    ]
    for mistake in wrong:
        raised = []
        for pipe in fresh:
            with pytest.raises(Exception) as info:
                mistake(pipe)
            raised.append(info.type)
        assert issubclass(raised[0], raised[1]) or issubclass(raised[1], raised[0]), raised
