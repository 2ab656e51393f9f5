"""Where networks compute. "reference", plain loops, is the second device that every machine has."""

import numpy as np
import pytest

import impasto
from impasto import _core, devices
from impasto.models import Model

SETTINGS = dict(num_inference_steps=2, height=32, width=32, output_type="np")


def draw(pipe):
    return pipe("a red boat", generator=7, **SETTINGS).images


def gpu_or_skip():
    try:
        return devices.find("cuda")
    except RuntimeError as error:
        pytest.skip(str(error))


def name(device):
    return str(device)


def test_a_pipeline_moves_and_draws_the_same_picture(pipe):
    here = draw(pipe)
    assert pipe.to("reference") is pipe
    assert {name(part.device) for part in (pipe, pipe.unet, pipe.vae, pipe.text_encoder)} == {"reference"}
    np.testing.assert_allclose(draw(pipe), here, atol=2e-3)
    pipe.to("cpu")
    assert name(pipe.device) == "cpu"
    np.testing.assert_array_equal(draw(pipe), here)


def test_a_network_moves_alone(pipe):
    here = draw(pipe)
    assert pipe.vae.to("reference") is pipe.vae
    assert name(pipe.device) == "cpu" and name(pipe.vae.device) == "reference"
    np.testing.assert_allclose(draw(pipe), here, atol=2e-3)


def test_nothing_is_built_before_it_is_needed_and_equal_places_are_not_moved_to(pipe):
    core = pipe.unet._core
    pipe.to("cpu")
    assert pipe.unet._core is core
    pipe.to("reference").to("cpu")
    assert pipe.unet._core is not core


def test_a_pipeline_without_a_text_encoder_draws_from_embeddings_and_moves(pipe):
    prompt, negative = pipe.encode_prompt("a red boat", None, 1, True)
    given = dict(prompt_embeds=prompt, negative_prompt_embeds=negative, generator=7, **SETTINGS)
    here = pipe(**given).images
    pipe.text_encoder = None
    np.testing.assert_array_equal(pipe(**given).images, here)
    np.testing.assert_allclose(pipe.to("reference")(**given).images, here, atol=2e-3)


def test_device_map_places_parts(tiny):
    load = impasto.StableDiffusionPipeline.from_pretrained
    parts = load(tiny, device_map={"vae": "reference", "default": "cpu"})
    assert (name(parts.unet.device), name(parts.vae.device), name(parts.text_encoder.device)) == ("cpu", "reference", "cpu")
    assert name(load(tiny, device="reference").device) == "reference"
    assert name(load(tiny, device_map="balanced").device) == "cpu"
    parts.set_progress_bar_config(disable=True)
    assert np.isfinite(draw(parts)).all()
    with pytest.raises(ValueError, match="unte"):
        load(tiny, device_map={"unte": "cpu"})


def test_dtypes_are_those_of_the_device(tiny, pipe):
    assert str(pipe.dtype).endswith("float32")
    assert str(pipe.to("float16").dtype).endswith("float16")
    assert str(pipe.to(dtype="bfloat16").dtype).endswith("bfloat16")
    each = impasto.StableDiffusionPipeline.from_pretrained(tiny, torch_dtype={"unet": "bfloat16", "default": "float32"})
    assert str(each.unet.dtype).endswith("bfloat16") and str(each.vae.dtype).endswith("float32")
    with pytest.raises(ValueError, match="int8"):
        devices.dtype_name("int8")


@pytest.mark.parametrize("device", ["toaster", "cuda:999", "cuda:x", "cuda:-1", 999])
def test_a_device_that_is_not_there_moves_nothing(tiny, pipe, device):
    with pytest.raises(RuntimeError, match="device"):
        pipe.to(device)
    with pytest.raises(RuntimeError, match="device"):
        pipe.vae.to(device)
    with pytest.raises(RuntimeError, match="device"):
        impasto.StableDiffusionPipeline.from_pretrained(tiny, device=device)
    with pytest.raises(RuntimeError, match="device"):
        impasto.UNet2DConditionModel.from_pretrained(tiny, subfolder="unet", device=device)
    with pytest.raises(RuntimeError, match="device"):
        pipe.enable_model_cpu_offload(device=device)
    assert name(pipe.device) == name(pipe.vae.device) == "cpu"


def test_a_dtype_that_a_device_does_not_have_is_refused(pipe):
    with pytest.raises(RuntimeError, match="bfloat16"):
        pipe.to("reference", "bfloat16")
    assert name(pipe.device) == "cpu"


def test_adapters_move_with_their_networks(pipe):
    rng = np.random.default_rng(0)
    layer = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    width = pipe.unet.config.block_out_channels[0]
    lora = {f"{layer}.lora_A.weight": rng.standard_normal((2, width)), f"{layer}.lora_B.weight": rng.standard_normal((width, 2))}
    plain = draw(pipe)
    pipe.load_lora_weights(lora, adapter_name="ink")
    here = draw(pipe)
    assert np.abs(here - plain).max() > 1e-2
    pipe.to("reference")
    np.testing.assert_allclose(draw(pipe), here, atol=2e-3)
    pipe.set_adapters("ink", 0.0)
    np.testing.assert_allclose(draw(pipe), plain, atol=2e-3)
    assert name(pipe.unet.device) == "reference"


def test_networks_take_turns_with_offloading(pipe, monkeypatch):
    here = draw(pipe)
    order = []
    monkeypatch.setattr(Model, "_let_go", lambda self, was=Model._let_go: (order.append(type(self).__name__), was(self)))
    pipe.enable_model_cpu_offload(device="reference")
    assert name(pipe.device) == "reference"
    np.testing.assert_allclose(draw(pipe), here, atol=2e-3)
    text, unet, vae = "CLIPTextModel", "UNet2DConditionModel", "AutoencoderKL"
    assert order == [unet, vae, text, vae, text, unet, text, unet, vae], "each empties the device of the others, and the end of all"
    order.clear()
    pipe.remove_all_hooks()
    draw(pipe)
    assert order == []


def test_offloading_has_nothing_to_do_on_a_cpu(pipe, caplog):
    for _ in range(2):
        pipe.enable_model_cpu_offload()
        pipe.enable_sequential_cpu_offload()
    assert len(caplog.records) == 1 and "nothing to do" in caplog.text
    assert pipe._offload is None


def test_an_unloaded_network_is_built_anew(pipe):
    here = draw(pipe)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part._core.unload()
    np.testing.assert_array_equal(draw(pipe), here)


def test_controlnets_move_with_the_pipeline(tiny):
    from golden import DATA

    net = impasto.ControlNetModel.from_pretrained(str(DATA / "adapters" / "controlnet"), device="cpu")
    pipe = impasto.StableDiffusionControlNetPipeline.from_pretrained(tiny, controlnet=[net, net])
    pipe.to("reference")
    assert name(net.device) == "reference"


def test_memory_is_the_devices(pipe):
    with pytest.raises(MemoryError, match="this machine"):
        pipe._engine().check(16384, 16384, 1000, True)


def test_auto_is_what_the_environment_names(monkeypatch):
    assert _core.find_device("auto") == ("cpu", "float32")
    monkeypatch.setenv("IMPASTO_DEVICE", "reference")
    assert _core.find_device() == ("reference", "float32")
    monkeypatch.setenv("IMPASTO_DEVICE", "toaster")
    with pytest.raises(RuntimeError, match="toaster.*IMPASTO_DEVICE"):
        devices.find()


def test_a_gpu_draws_nearly_the_same_picture(pipe):
    gpu_or_skip()
    here = draw(pipe)
    pipe.to("cuda")
    assert name(pipe.device) == "cuda:0" and str(pipe.dtype).endswith("float16")
    assert np.sqrt(np.mean((draw(pipe) - here) ** 2)) < 0.02
    pipe.to("cpu")
    np.testing.assert_array_equal(draw(pipe), here)
    with pytest.raises(RuntimeError, match="float32"):
        pipe.to("cuda", "float32")
