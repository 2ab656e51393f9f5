"""Pictures as prompts: IP-Adapters."""

import shutil

import numpy as np
import pytest
from golden import DATA, cases, read_safetensors
from PIL import Image
from test_golden import arguments, generators

import impasto

ADAPTERS = DATA / "ip_adapters"
QUICK = dict(num_inference_steps=2, height=64, width=64, generator=3, output_type="np")
TASKS = {"image_to_image": "StableDiffusionImg2ImgPipeline", "inpaint": "StableDiffusionInpaintPipeline", "control": "StableDiffusionControlNetPipeline", "sdxl": "StableDiffusionXLPipeline"}


def load(pipe, *names, **kwargs):
    pipe.load_ip_adapter(str(ADAPTERS), subfolder="", weight_name=[f"{name}.safetensors" for name in names], **kwargs)


def stripes(width=50, height=40):
    return Image.fromarray((np.arange(3 * width * height).reshape(height, width, 3) // 30 % 2 * 255).astype(np.uint8))


def drawn(pipe, **kwargs):
    return pipe("a red boat", **{**QUICK, **kwargs}).images


@pytest.mark.parametrize("case", [c for c in cases("ip_adapter") if "ip_adapters" in c.settings], ids=lambda c: c.name)
def test_equals_diffusers(case):
    label = case.name.split("/")[1]
    more = {"controlnet": impasto.ControlNetModel.from_pretrained(str(DATA / "adapters" / "controlnet"))} if label == "control" else {}
    pipe = getattr(impasto, TASKS.get(label, "StableDiffusionPipeline")).from_pretrained(case.checkpoint, **more)
    pipe.set_progress_bar_config(disable=True)
    settings, pipe.scheduler = arguments(case)
    settings.pop("controls", None)
    adapters = settings.pop("ip_adapters")
    load(pipe, *(a["file"] for a in adapters))
    pipe.set_ip_adapter_scale([a["scale"] for a in adapters])
    given = {"image": Image.fromarray(case["control_0" if label == "control" else "image"]) for name in ("control_0", "image") if name in case}
    if "mask_image" in case:
        given["mask_image"] = Image.fromarray(case["mask_image"])
    if "embeds" in case:
        given["ip_adapter_image_embeds"] = [np.stack([np.zeros_like(case["embeds"]), case["embeds"]])]
    else:
        given["ip_adapter_image"] = [[Image.fromarray(case[f"ip_{i}_{k}"]) for k in range(a["pictures"])] for i, a in enumerate(adapters)]
    case.check("latents", np.asarray(pipe(**settings, **given, generator=generators(case), output_type="latent").images))


def test_attached_scaled_and_taken_off(pipe):
    plain = drawn(pipe)
    load(pipe, "plain")
    whole = drawn(pipe, ip_adapter_image=stripes())
    pipe.set_ip_adapter_scale(0.5)
    half = drawn(pipe, ip_adapter_image=stripes())
    pipe.set_ip_adapter_scale({"down": 0.5, "mid": 0.5, "up": {"block_1": [0.5], "block_2": [0.5, 0.5, 0.5], "block_3": 0.5}})
    np.testing.assert_array_equal(drawn(pipe, ip_adapter_image=stripes()), half)
    pipe.set_ip_adapter_scale({"up": {"block_1": [0.0, 1.0, 0.0]}})
    one = drawn(pipe, ip_adapter_image=stripes())
    assert len({x.tobytes() for x in (plain, whole, half, one)}) == 4
    pipe.set_ip_adapter_scale(0.0)
    np.testing.assert_array_equal(drawn(pipe, ip_adapter_image=stripes()), plain)
    pipe.unload_ip_adapter()
    np.testing.assert_array_equal(drawn(pipe), plain)
    assert pipe.image_encoder is None and pipe.unet.encoder_hid_proj is None


def test_embeddings_prepared_once_are_the_picture(pipe):
    load(pipe, "plain", "plus")
    images = [stripes(), [stripes(60, 30), stripes()]]
    embeds = pipe.prepare_ip_adapter_image_embeds(images, None, None, 1, True)
    assert [tuple(e.shape) for e in embeds] == [(2, 1, 24), (2, 2, 17, 32)]
    np.testing.assert_array_equal(drawn(pipe, ip_adapter_image_embeds=embeds), drawn(pipe, ip_adapter_image=images))


def test_batch_guidance_interval_and_deep_cache_see_the_picture(pipe):
    load(pipe, "plain")
    for settings in (dict(), dict(guidance_scale=1.0), dict(guidance_stop=0.5), dict(deep_cache_interval=2), dict(token_merging_ratio=0.5)):
        two = drawn(pipe, ip_adapter_image=stripes(), num_images_per_prompt=2, **settings)
        one = drawn(pipe, ip_adapter_image=stripes(), **settings)
        other = drawn(pipe, ip_adapter_image=stripes(64, 64), **settings)
        assert two.shape[0] == 2 and not np.array_equal(one, other)
        np.testing.assert_allclose(two[:1], one, atol=1e-6)


def test_tensors_and_pickles_are_the_same(pipe):
    load(pipe, "plain")
    expected = drawn(pipe, ip_adapter_image=stripes())
    pipe.load_ip_adapter(str(ADAPTERS), subfolder="", weight_name="plain.bin")
    np.testing.assert_array_equal(drawn(pipe, ip_adapter_image=stripes()), expected)
    state = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in read_safetensors(ADAPTERS / "plain.safetensors").items():
        part, rest = name.split(".", 1)
        state[part][rest] = np.array(tensor)
    pipe.load_ip_adapter(state, subfolder="", weight_name="")
    np.testing.assert_array_equal(drawn(pipe, ip_adapter_image=stripes()), expected)


def test_saved_with_its_image_encoder(pipe, tmp_path):
    load(pipe, "plain")
    expected = drawn(pipe, ip_adapter_image=stripes())
    pipe.save_pretrained(tmp_path / "model")
    shutil.copy(ADAPTERS / "plain.safetensors", tmp_path)
    again = impasto.StableDiffusionPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(again.image_encoder, impasto.CLIPVisionModelWithProjection)
    again.load_ip_adapter(str(tmp_path), subfolder="", weight_name="plain.safetensors")
    np.testing.assert_array_equal(drawn(again, ip_adapter_image=stripes()), expected)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(), "requires? `image_embeds`|require `image_embeds`"),
        (dict(ip_adapter_image=stripes(), ip_adapter_image_embeds=[np.zeros((2, 1, 24))]), "Provide either"),
        (dict(ip_adapter_image=[stripes(), stripes()]), "same length as the number of IP Adapters"),
        (dict(ip_adapter_image_embeds=np.zeros((2, 1, 24))), "type `list`"),
        (dict(ip_adapter_image_embeds=[np.zeros((2, 24))]), "3D or 4D"),
        (dict(ip_adapter_image_embeds=[np.zeros((2, 1, 25))]), r"image_embeds has shape .*24\]"),
        (dict(ip_adapter_image_embeds=[np.zeros((6, 1, 24))]), "for 6 images"),
    ],
)
def test_bad_arguments(pipe, arguments, words):
    load(pipe, "plain")
    with pytest.raises(ValueError, match=words):
        drawn(pipe, **arguments)
    assert len(drawn(pipe, ip_adapter_image=stripes())) == 1


def test_bad_files_and_scales(pipe):
    for name, error, words in (("none", OSError, "none.safetensors"), ("face", NotImplementedError, "FaceID"), ("plain_xl", OSError, "another model")):
        with pytest.raises(error, match=words):
            load(pipe, name)
    with pytest.raises(ValueError, match="load_ip_adapter"):
        pipe.set_ip_adapter_scale(0.5)
    with pytest.raises(ValueError, match="Required keys"):
        pipe.load_ip_adapter({"a": {}}, subfolder="", weight_name="")
    with pytest.raises(ValueError, match="same length"):
        pipe.load_ip_adapter([str(ADAPTERS)] * 3, subfolder="", weight_name=["plain.safetensors", "plus.safetensors"])
    assert pipe.unet.encoder_hid_proj is None
    load(pipe, "plain")
    for scale, words in (([1.0, 2.0], "2 scale_configs to 1"), ({"up": {"block_0": 1.0}}, "block_0"), ({"up": {"block_1": [1.0, 2.0]}}, "Expected 3"), ({"left": 1.0}, "left")):
        with pytest.raises(ValueError, match=words):
            pipe.set_ip_adapter_scale(scale)


def test_without_an_image_encoder_takes_embeddings(pipe, caplog):
    load(pipe, "plain", image_encoder_folder=None)
    assert "image_encoder is not loaded" in caplog.text
    with pytest.raises(ValueError, match="no image_encoder"):
        drawn(pipe, ip_adapter_image=stripes())
    assert len(drawn(pipe, ip_adapter_image_embeds=[np.zeros((2, 1, 24), np.float32)])) == 1
