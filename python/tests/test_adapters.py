"""LoRA and its kin through the Python package, without torch. Beside PEFT: test_diffusers_adapters.py."""

import shutil

import numpy as np
import pytest
from golden import DATA, read_safetensors

import impasto

KOHYA, PEFT = (str(DATA / "adapters" / f"lora_{name}.safetensors") for name in ("kohya", "peft"))
QUICK = dict(num_inference_steps=2, height=32, width=32, generator=5, output_type="latent")


def draw(pipe):
    return np.asarray(pipe("a boat", **QUICK).images)


def test_an_adapter_changes_the_picture_until_it_is_taken_off(pipe):
    plain = draw(pipe)
    pipe.load_lora_weights(KOHYA, adapter_name="ink")
    assert pipe.get_active_adapters() == ["ink"]
    whole = draw(pipe)
    pipe.set_adapters("ink", 0.0)
    np.testing.assert_array_equal(draw(pipe), plain)
    pipe.set_adapters("ink", 1.0)
    np.testing.assert_array_equal(draw(pipe), whole)
    pipe.unload_lora_weights()
    np.testing.assert_array_equal(draw(pipe), plain)
    assert not np.array_equal(whole, plain) and pipe.get_list_adapters() == {}


def test_pipelines_that_share_the_unet_share_its_adapters(pipe):
    other = impasto.StableDiffusionPipeline.from_pipe(pipe)
    plain = draw(other)
    pipe.load_lora_weights(KOHYA)
    assert not np.array_equal(draw(other), plain)
    other.delete_adapters(other.get_active_adapters())
    np.testing.assert_array_equal(draw(pipe), plain)


def test_tensors_by_name_equal_their_file(pipe):
    pipe.load_lora_weights(KOHYA)
    expected = draw(pipe)
    pipe.unload_lora_weights()
    pipe.load_lora_weights(read_safetensors(KOHYA))
    np.testing.assert_array_equal(draw(pipe), expected)


def test_a_folder_needs_a_name_where_several_files_would_do(pipe, tmp_path):
    with pytest.raises(OSError, match="no .safetensors file"):
        pipe.load_lora_weights(tmp_path)
    shutil.copy(KOHYA, tmp_path / "a.safetensors")
    pipe.load_lora_weights(tmp_path)
    shutil.copy(PEFT, tmp_path / "b.safetensors")
    with pytest.raises(OSError, match="weight_name: a.safetensors, b.safetensors"):
        pipe.load_lora_weights(tmp_path)
    pipe.load_lora_weights(tmp_path, weight_name="b.safetensors", adapter_name="b")
    shutil.copy(PEFT, tmp_path / "pytorch_lora_weights.safetensors")
    pipe.load_lora_weights(tmp_path, adapter_name="c")
    assert pipe.get_list_adapters()["unet"] == ["default_0", "b", "c"]


def test_an_adapter_for_another_model_leaves_everything_as_it_was(pipe):
    pipe.load_lora_weights(KOHYA, adapter_name="ink")
    before = draw(pipe)
    with pytest.raises(OSError, match="made for another model"):
        pipe.load_lora_weights(str(DATA / "adapters" / "lora_other.safetensors"))
    assert pipe.get_active_adapters() == ["ink"]
    np.testing.assert_array_equal(draw(pipe), before)


def test_layers_that_the_model_lacks_are_told(pipe, caplog):
    tensors = dict(read_safetensors(KOHYA))
    tensors["lora_unet_other.diff"] = np.zeros((2, 2), np.float32)
    with caplog.at_level("WARNING"):
        pipe.load_lora_weights(tensors)
    assert "other" in caplog.text


def test_scales_for_blocks_are_refused(pipe):
    pipe.load_lora_weights(KOHYA, adapter_name="ink")
    with pytest.raises(NotImplementedError):
        pipe.set_adapters("ink", {"unet": {"mid": 0.5}})
    with pytest.raises(ValueError, match="invalid key"):
        pipe.set_adapters("ink", {"vae": 0.5})


def test_a_call_may_scale_them(pipe):
    plain = draw(pipe)
    pipe.load_lora_weights(KOHYA, adapter_name="ink")
    whole = draw(pipe)
    half = np.asarray(pipe("a boat", **QUICK, cross_attention_kwargs={"scale": 0.5}).images)
    assert not np.array_equal(half, whole)
    np.testing.assert_array_equal(draw(pipe), whole)
    np.testing.assert_array_equal(np.asarray(pipe("a boat", **QUICK, cross_attention_kwargs={"scale": 0.0}).images), plain)
    embeds = pipe.encode_prompt("a boat", lora_scale=0.5)[0]
    pipe.set_adapters("ink", 0.5)
    np.testing.assert_array_equal(draw(pipe), half)
    np.testing.assert_array_equal(embeds, pipe.encode_prompt("a boat")[0])
    pipe.unload_lora_weights()
    np.testing.assert_array_equal(np.asarray(pipe("a boat", **QUICK, cross_attention_kwargs={"scale": 0.5}).images), plain)
