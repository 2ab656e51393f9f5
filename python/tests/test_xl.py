"""Stable Diffusion XL, without torch: calls against diffusers' results, parts, words, adapters. Beside diffusers: test_diffusers_xl.py."""

import json
import shutil
import subprocess

import numpy as np
import pytest
from golden import DATA, cases
from PIL import Image
from test_extras import by_command, command
from test_golden import check, loaded

import impasto

BASE, REFINER = (str(DATA / "checkpoints" / name) for name in ("tiny-sdxl", "tiny-sdxl-refiner"))
QUICK = dict(num_inference_steps=2, height=32, width=32, generator=5, output_type="latent")


@pytest.fixture
def base():
    return quiet(impasto.StableDiffusionXLPipeline.from_pretrained(BASE))


def quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe, *args, **kwargs):
    return np.asarray(pipe(*args, **{**QUICK, **kwargs}).images)


@pytest.mark.parametrize("case", cases("xl_text_to_image"), ids=lambda c: c.name)
def test_text_to_image_equals_diffusers(case):
    check(loaded("StableDiffusionXLPipeline", case.checkpoint), case)


@pytest.mark.parametrize("case", cases("xl_image_to_image"), ids=lambda c: c.name)
def test_image_to_image_equals_diffusers(case):
    image = case["image_latents"] if "image_latents" in case else Image.fromarray(case["image"])
    check(loaded("StableDiffusionXLImg2ImgPipeline", case.checkpoint), case, image=image)


@pytest.mark.parametrize("case", cases("xl_inpaint"), ids=lambda c: c.name)
def test_inpainting_equals_diffusers(case):
    check(loaded("StableDiffusionXLInpaintPipeline", case.checkpoint), case, image=Image.fromarray(case["image"]), mask_image=Image.fromarray(case["mask_image"]))


@pytest.mark.parametrize("case", [c for c in cases("xl_unet") if c["sample"].shape[0] < 3], ids=lambda c: c.name)
def test_unet_equals_diffusers(case):
    unet = impasto.UNet2DConditionModel.from_pretrained(case.checkpoint, subfolder="unet")
    added = {"text_embeds": case["pooled"], "time_ids": case["time_ids"]}
    case.check("out", unet(case["sample"], case.settings["timestep"], case["context"], added_cond_kwargs=added).sample)
    with pytest.raises(ValueError, match="text_embeds and time_ids"):
        unet(case["sample"], 1, case["context"])


@pytest.mark.parametrize("case", [c for c in cases("xl_text") if c.settings["part"] == "text_encoder_2"], ids=lambda c: c.name)
def test_text_encoder_with_projection_equals_transformers(base, case):
    out = base.text_encoder_2(case["input_ids"])
    case.check("pooled", out.text_embeds)
    assert out[0] is out.text_embeds and out.last_hidden_state.shape == case["penultimate"].shape


def test_base_and_refiner_share_a_walk(base):
    refiner = quiet(impasto.StableDiffusionXLImg2ImgPipeline.from_pretrained(REFINER))
    assert refiner.text_encoder is None and refiner.tokenizer is None and refiner.requires_aesthetics_score and not refiner.force_zeros_for_empty_prompt
    size = dict(height=64, width=64, num_inference_steps=5)
    whole = draw(base, "a red boat", **size)
    half = draw(base, "a red boat", denoising_end=0.6, **size)
    assert base.num_timesteps == 3
    rest = dict(QUICK, num_inference_steps=5, denoising_start=0.6)
    del rest["height"], rest["width"]
    again = quiet(impasto.StableDiffusionXLImg2ImgPipeline.from_pipe(base))
    np.testing.assert_allclose(np.asarray(again("a red boat", image=half, **rest).images), whole, atol=1e-5)
    refined = np.asarray(refiner("a red boat", image=half, **rest).images)
    assert refined.shape == whole.shape and not np.allclose(refined, whole, atol=1e-2)


def test_encode_prompt_gives_four_and_takes_them_back(base):
    embeds = base.encode_prompt("a red boat", negative_prompt="grey", num_images_per_prompt=2)
    assert [e.shape for e in embeds] == [(2, 77, 72)] * 2 + [(2, 24)] * 2
    expected = draw(base, "a red boat", negative_prompt="grey")
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    given = dict(zip(names, (e[:1] for e in embeds)))
    np.testing.assert_array_equal(draw(base, **given), expected)
    del given["pooled_prompt_embeds"]
    with pytest.raises(ValueError, match="pooled_prompt_embeds"):
        draw(base, **given)
    assert base.encode_prompt("a boat", do_classifier_free_guidance=False)[1::2] == (None, None)


def test_no_negative_prompt_is_zeros_where_the_model_was_trained_so(base):
    _, negative, _, pooled = base.encode_prompt("a boat")
    assert not negative.any() and not pooled.any()
    assert base.encode_prompt("a boat", negative_prompt="")[1].any()
    base.register_to_config(force_zeros_for_empty_prompt=False)
    np.testing.assert_array_equal(base.encode_prompt("a boat")[1], base.encode_prompt("a boat", negative_prompt="")[1])


@pytest.mark.parametrize("prompt", ["a (red:1.4) boat", "a red boat " * 50, "a [red:blue:1] boat"], ids=["weights", "long", "changing"])
def test_syntaxes_draw_what_the_command_draws(base, tmp_path, prompt):
    base.prompt_syntax = "a1111"
    expected = by_command(tmp_path, BASE, "-p", prompt, "-n", "grey", "--prompt-syntax", "a1111", "--guidance-scale", "5", steps=2)
    found = base(prompt, negative_prompt="grey", num_inference_steps=2, height=64, width=64, generator=5).images[0]
    assert np.abs(np.asarray(found).astype(int) - expected[0]).max() <= 2


def test_callbacks_see_what_the_unet_is_told(base):
    seen = []

    def change(pipe, step, timestep, tensors):
        seen.append({name: tensor.shape for name, tensor in tensors.items()})
        return {"add_time_ids": tensors["add_time_ids"] + 100}

    plain = draw(base, "a boat")
    changed = draw(base, "a boat", callback_on_step_end=change, callback_on_step_end_tensor_inputs=["latents", "add_text_embeds", "add_time_ids"])
    assert seen[0] == {"latents": (1, 4, 4, 4), "add_text_embeds": (2, 24), "add_time_ids": (2, 6)}
    assert not np.array_equal(plain, changed)


def test_guidance_in_a_part_of_the_steps_and_other_extras(base):
    plain = draw(base, "a boat", num_inference_steps=4)
    for extra in (dict(guidance_stop=0.5), dict(deep_cache_interval=2), dict(variation_strength=0.4, variation_seed=1)):
        assert not np.array_equal(draw(base, "a boat", num_inference_steps=4, **extra), plain), extra


def test_words_for_both_text_encoders_or_one(base, tmp_path):
    plain = base.encode_prompt("a boat in sumi-e-ink", do_classifier_free_guidance=False)[0]
    widths = [encoder.config.hidden_size for encoder in (base.text_encoder, base.text_encoder_2)]
    vectors = [np.random.default_rng(k).normal(size=(2, width)).astype(np.float32) for k, width in enumerate(widths)]
    write_safetensors(tmp_path / "sumi-e-ink.safetensors", {"clip_l": vectors[0], "clip_g": vectors[1]})
    base.load_textual_inversion(tmp_path / "sumi-e-ink.safetensors")
    both = base.encode_prompt("a boat in sumi-e-ink", do_classifier_free_guidance=False)[0]
    base.unload_textual_inversion()
    base.load_textual_inversion(vectors[0], token="sumi-e-ink", text_encoder=base.text_encoder, tokenizer=base.tokenizer)
    first = base.encode_prompt("a boat in sumi-e-ink", do_classifier_free_guidance=False)[0]
    base.load_textual_inversion(vectors[1], token="sumi-e-ink", text_encoder=base.text_encoder_2, tokenizer=base.tokenizer_2)
    np.testing.assert_array_equal(base.encode_prompt("a boat in sumi-e-ink", do_classifier_free_guidance=False)[0], both)
    np.testing.assert_array_equal(first[..., : widths[0]], both[..., : widths[0]])
    np.testing.assert_array_equal(first[..., widths[0] :], plain[..., widths[0] :])
    with pytest.raises(ValueError, match="incorrect shape"):
        base.load_textual_inversion(vectors[1], token="other-ink", text_encoder=base.text_encoder, tokenizer=base.tokenizer)


def write_safetensors(path, tensors):
    header, end = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [end, end + tensor.nbytes]}
        end += tensor.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values()))


def adapter(*modules):
    return {f"{module}.{part}.weight": np.full(shape, 0.5, np.float32) for module, n, m in modules for part, shape in (("lora_down", (1, n)), ("lora_up", (m, 1)))}


def test_adapters_have_a_scale_for_each_network(base):
    plain = draw(base, "a boat")
    modules = {
        "text_encoder": ("lora_te1_text_model_encoder_layers_0_mlp_fc1", 32, 64),
        "text_encoder_2": ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 40, 80),
        "unet": ("lora_unet_down_blocks_1_attentions_0_proj_in", 16, 16),
    }
    alone = {}
    for name, module in modules.items():
        base.load_lora_weights(adapter(module), adapter_name="one")
        alone[name] = draw(base, "a boat")
        base.delete_adapters("one")
        assert not np.allclose(alone[name], plain, atol=1e-3)
    base.load_lora_weights(adapter(*modules.values()), adapter_name="all")
    assert base.get_list_adapters() == {"unet": ["all"], "text_encoder": ["all"], "text_encoder_2": ["all"]}
    for name in modules:
        base.set_adapters("all", {other: float(other == name) for other in modules})
        np.testing.assert_allclose(draw(base, "a boat"), alone[name], atol=1e-5)
    base.set_adapters("all", 1.0)
    np.testing.assert_allclose(draw(base, "a boat", cross_attention_kwargs={"scale": 0.0}), plain, atol=1e-5)
    base.unload_lora_weights()
    np.testing.assert_array_equal(draw(base, "a boat"), plain)


def test_saved_pipelines_and_single_files_draw_the_same(base, tmp_path):
    expected = draw(base, "a boat")
    base.save_pretrained(tmp_path / "saved")
    index = json.loads((tmp_path / "saved" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline" and index["force_zeros_for_empty_prompt"] and index["text_encoder_2"] == ["transformers", "CLIPTextModelWithProjection"]
    np.testing.assert_array_equal(draw(quiet(impasto.DiffusionPipeline.from_pretrained(tmp_path / "saved")), "a boat"), expected)
    for folder in (BASE, REFINER):
        subprocess.run([command(), "convert", folder, "-o", tmp_path / "one.safetensors", "-q"], check=True)
        one = quiet(impasto.StableDiffusionXLImg2ImgPipeline.from_single_file(tmp_path / "one.safetensors", config=folder))
        assert (one.requires_aesthetics_score, one.force_zeros_for_empty_prompt) == (folder == REFINER, folder == BASE)
        if folder == BASE:
            text = quiet(impasto.StableDiffusionXLPipeline.from_pipe(one, scheduler=base.scheduler))
            np.testing.assert_array_equal(draw(text, "a boat"), expected)


def test_classes_are_found_by_the_checkpoint():
    for auto, name in ((impasto.AutoPipelineForText2Image, "StableDiffusionXLPipeline"), (impasto.AutoPipelineForImage2Image, "StableDiffusionXLImg2ImgPipeline"), (impasto.AutoPipelineForInpainting, "StableDiffusionXLInpaintPipeline")):
        pipe = auto.from_pretrained(BASE)
        assert type(pipe).__name__ == name
        assert type(impasto.AutoPipelineForText2Image.from_pipe(pipe)) is impasto.StableDiffusionXLPipeline
    assert type(impasto.DiffusionPipeline.from_pretrained(REFINER)) is impasto.StableDiffusionXLImg2ImgPipeline


def test_models_of_the_other_kind_are_refused(tiny):
    with pytest.raises(ValueError, match="StableDiffusionXLPipeline"):
        impasto.StableDiffusionPipeline.from_pretrained(BASE)
    with pytest.raises(ValueError, match="text_encoder_2"):
        impasto.StableDiffusionXLPipeline.from_pretrained(tiny)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(prompt="a", prompt_2=3), "prompt_2"),
        (dict(prompt=["a", "b"], prompt_2=["a"]), "batch size"),
        (dict(prompt="a", negative_prompt=["b", "c"]), "negative_prompt"),
        (dict(prompt="a", original_size=(1, 2, 3)), "added time embedding"),
        (dict(prompt="a", pooled_prompt_embeds=None, prompt_embeds=np.zeros((1, 77, 72))), "Cannot forward both"),
        (dict(prompt_embeds=np.zeros((1, 77, 72)), pooled_prompt_embeds=np.zeros((2, 24))), "expected"),
        (dict(prompt="a", callback_on_step_end_tensor_inputs=["negative_prompt_embeds"]), "callback_on_step_end_tensor_inputs"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_drawn(base, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        base(num_inference_steps=1, height=32, width=32, **arguments)


def test_bad_shares_of_the_walk_and_scores_are_refused(base):
    again = quiet(impasto.StableDiffusionXLImg2ImgPipeline.from_pipe(base))
    image = np.zeros((1, 32, 32, 3), np.float32)
    with pytest.raises(ValueError, match="denoising_start"):
        again("a", image=image, denoising_start=0.8, denoising_end=0.5)
    with pytest.raises(ValueError, match="strength"):
        again("a", image=image, num_inference_steps=2)
    again.register_to_config(requires_aesthetics_score=True)
    with pytest.raises(ValueError, match="disable `requires_aesthetics_score`"):
        again("a", image=image, num_inference_steps=4)
    with pytest.raises(NotImplementedError, match="watermark"):
        impasto.StableDiffusionXLPipeline(**base.components, add_watermarker=True)


def test_a_folder_without_second_text_encoder_is_told(tmp_path):
    shutil.copytree(BASE, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "text_encoder_2")
    with pytest.raises(OSError, match="text_encoder_2"):
        impasto.StableDiffusionXLPipeline.from_pretrained(tmp_path / "model")


@pytest.mark.parametrize("case", [c for c in cases("xl_adapters") if "loras" in c.settings or "words" in c.settings], ids=lambda c: c.name)
def test_adapters_and_words_equal_diffusers(base, case):
    for name, _ in case.settings.get("loras", []):
        base.load_lora_weights(DATA / "adapters" / f"{name}.safetensors", adapter_name=name)
    if "loras" in case.settings:
        base.set_adapters([name for name, _ in case.settings["loras"]], [scale for _, scale in case.settings["loras"]])
    for name in case.settings.get("words", []):
        base.load_textual_inversion(DATA / "embeddings" / f"{name}.safetensors")
    case.record = {**case.record, "settings": {k: v for k, v in case.settings.items() if k not in ("loras", "words")}}
    check(base, case)


@pytest.fixture(scope="module")
def net():
    return impasto.ControlNetModel.from_pretrained(DATA / "adapters" / "xl_controlnet")


@pytest.mark.parametrize("case", [c for c in cases("xl_adapters") if "controls" in c.settings], ids=lambda c: c.name)
def test_controlnets_lead_as_in_diffusers(base, net, case):
    kind = "Image2Image" if "image" in case else "Text2Image"
    pipe = quiet(getattr(impasto, f"AutoPipelineFor{kind}").from_pipe(base, controlnet=net))
    control = case.settings["controls"][0]
    led = {"controlnet_conditioning_scale": control["scale"], "control_guidance_start": control["start"], "control_guidance_end": control["stop"], "guess_mode": control["guess_mode"]}
    pictures = {"image": Image.fromarray(case["image"]), "control_image": Image.fromarray(case["control_0"])} if "image" in case else {"image": Image.fromarray(case["control_0"])}
    case.record = {**case.record, "settings": {k: v for k, v in case.settings.items() if k not in ("controls", "guess_mode")}}
    check(pipe, case, **pictures, **led)


def test_controlled_tasks_share_the_networks_and_are_saved(base, net, tmp_path):
    text = quiet(impasto.StableDiffusionXLControlNetPipeline.from_pipe(base, controlnet=net))
    over, fill = (getattr(impasto, f"AutoPipelineFor{kind}").from_pipe(text) for kind in ("Image2Image", "Inpainting"))
    assert [type(p).__name__ for p in (over, fill)] == ["StableDiffusionXLControlNetImg2ImgPipeline", "StableDiffusionXLControlNetInpaintPipeline"]
    assert over.unet is fill.unet is base.unet and over.controlnet is net
    assert type(impasto.AutoPipelineForText2Image.from_pipe(text, controlnet=None)) is impasto.StableDiffusionXLPipeline
    assert type(impasto.AutoPipelineForInpainting.from_pretrained(BASE, controlnet=net)) is impasto.StableDiffusionXLControlNetInpaintPipeline
    edges = Image.fromarray(((np.arange(64 * 48 * 3) // 30 % 2) * 255).astype(np.uint8).reshape(48, 64, 3))
    led, plain = draw(text, "a boat", image=edges, height=None, width=None), draw(base, "a boat", height=48, width=64)
    assert led.shape == plain.shape and not np.array_equal(led, plain)
    np.testing.assert_array_equal(draw(text, "a boat", image=edges, controlnet_conditioning_scale=0.0, height=None, width=None), plain)
    text.save_pretrained(tmp_path / "saved")
    again = quiet(impasto.DiffusionPipeline.from_pretrained(tmp_path / "saved"))
    assert type(again) is impasto.StableDiffusionXLControlNetPipeline
    np.testing.assert_array_equal(draw(again, "a boat", image=edges, height=None, width=None), led)


@pytest.mark.parametrize(
    "arguments, message",
    [(dict(image=None), "image must be passed"), (dict(controlnet_conditioning_scale=1), "float"), (dict(control_guidance_end=1.5), "at most 1"), (dict(prompt=None), "prompt"), (dict(original_size=(1, 2, 3)), "added time embedding")],
    ids=str,
)
def test_controlled_calls_that_are_wrong_are_refused(base, net, arguments, message):
    pipe = quiet(impasto.StableDiffusionXLControlNetPipeline.from_pipe(base, controlnet=net))
    with pytest.raises((ValueError, TypeError), match=message):
        pipe(**{"prompt": "a", "image": Image.new("RGB", (32, 32)), "num_inference_steps": 1, **arguments})


def test_a_controlnet_of_another_kind_is_refused(base):
    other = impasto.ControlNetModel.from_pretrained(DATA / "adapters" / "controlnet")
    pipe = quiet(impasto.StableDiffusionXLControlNetPipeline.from_pipe(base, controlnet=other))
    with pytest.raises(ValueError, match="encoder_hidden_states|context"):
        pipe("a", image=Image.new("RGB", (32, 32)), num_inference_steps=1)
    with pytest.raises(ValueError, match="controlnet"):
        impasto.StableDiffusionXLControlNetPipeline.from_pipe(base, controlnet=object())
