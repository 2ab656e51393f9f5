"""Words of one's own, without torch. Beside diffusers: test_diffusers_adapters.py."""

import shutil

import numpy as np
import pytest
from golden import DATA, cases, read_safetensors

import impasto

FILES = DATA / "embeddings"
INKWASH, LEARNED, HANDS = (FILES / name for name in ("inkwash.safetensors", "learned.safetensors", "bad-hands.pt"))
QUICK = dict(num_inference_steps=2, height=32, width=32, generator=5, output_type="latent")


def draw(pipe, prompt):
    return np.asarray(pipe(prompt, **QUICK).images)


@pytest.mark.parametrize("case", cases("embeddings"), ids=lambda case: case.name)
def test_encode_prompt_equals_the_reference(case):
    pipe = impasto.StableDiffusionPipeline.from_pretrained(case.checkpoint)
    pipe.load_textual_inversion([INKWASH, LEARNED, HANDS])
    pipe.prompt_syntax = case.settings["syntax"]
    context, _ = pipe.encode_prompt(case.record["text"], do_classifier_free_guidance=False)
    case.check("context", np.asarray(context))


def test_words_come_and_go_for_all_pipelines_of_the_text_encoder(pipe):
    other = impasto.StableDiffusionImg2ImgPipeline.from_pipe(pipe)
    plain = draw(pipe, "a boat in inkwash")
    other.load_textual_inversion(INKWASH)
    pipe.load_textual_inversion(LEARNED)
    inked = draw(pipe, "a boat in inkwash")
    assert not np.array_equal(inked, plain)
    pipe.unload_textual_inversion("<sea-light>")
    np.testing.assert_array_equal(draw(pipe, "a boat in inkwash"), inked)
    other.unload_textual_inversion()
    np.testing.assert_array_equal(draw(pipe, "a boat in inkwash"), plain)


def test_a_word_of_ones_choice_a_tensor_and_a_state_dict(pipe):
    pipe.load_textual_inversion(INKWASH)
    expected = draw(pipe, "a boat in inkwash")
    vectors = read_safetensors(INKWASH)["emb_params"]
    for source, token in [(INKWASH, "sumi-e-ink"), (vectors, "sumi-e-ink"), ({"sumi-e-ink": vectors}, None), ({"string_to_param": {"*": vectors}, "name": "sumi-e-ink"}, None)]:
        pipe.load_textual_inversion(source, token=token)
        np.testing.assert_array_equal(draw(pipe, "a boat in Sumi-e-ink"), expected)
        pipe.unload_textual_inversion(["sumi-e-ink"])


def test_several_at_once_or_none(pipe):
    plain = draw(pipe, "inkwash <sea-light>")
    with pytest.raises(ValueError, match="incorrect shape"):
        pipe.load_textual_inversion([INKWASH, np.ones((1, 5), np.float32)], token=["inkwash", "other-one"])
    np.testing.assert_array_equal(draw(pipe, "inkwash <sea-light>"), plain)
    pipe.load_textual_inversion([INKWASH, LEARNED])
    assert not np.array_equal(draw(pipe, "inkwash <sea-light>"), plain)


def test_rows_of_a_tensor_are_words(pipe):
    vectors = np.array(read_safetensors(LEARNED)["<sea-light>"])
    pipe.load_textual_inversion(vectors, token=["<s0>", "<s1>", "<s2>"])
    rows = pipe.encode_prompt("<s0> <s1> <s2>", do_classifier_free_guidance=False)[0]
    pipe.load_textual_inversion(LEARNED)
    np.testing.assert_array_equal(rows, pipe.encode_prompt("<sea-light>", do_classifier_free_guidance=False)[0])


def test_folders(pipe, tmp_path):
    with pytest.raises(OSError, match="no .safetensors or .bin or .pt"):
        pipe.load_textual_inversion(tmp_path)
    for name in ("a.safetensors", "b.safetensors", "learned_embeds.safetensors"):
        shutil.copy(INKWASH, tmp_path / name)
    pipe.load_textual_inversion(tmp_path)
    pipe.load_textual_inversion(tmp_path, weight_name="b.safetensors", token="other-ink")
    pipe.unload_textual_inversion(["learned_embeds", "other-ink"])


@pytest.mark.parametrize(
    "source, options, error, words",
    [
        (FILES / "none.safetensors", {}, OSError, "none"),
        (DATA / "pictures" / "rgb.png", {}, OSError, "rgb"),
        (np.ones((1, 5), np.float32), {}, ValueError, "token="),
        (np.ones((1, 5), np.float32), {"token": "other-one"}, ValueError, "incorrect shape"),
        (np.ones((1, 1, 5), np.float32), {"token": "other-one"}, ValueError, "incorrect shape"),
        ({"a": 1, "b": 2}, {}, ValueError, "dictionary is incorrect"),
        (3, {"token": "other-one"}, ValueError, "file, a state dict or a tensor"),
        (INKWASH, {"token": "a"}, ValueError, "already in tokenizer vocabulary"),
        (INKWASH, {"token": ""}, ValueError, "word"),
        ([INKWASH, LEARNED], {"token": ["one-only"]}, ValueError, "equally long"),
        ([INKWASH, INKWASH], {}, ValueError, "already in tokenizer vocabulary"),
    ],
    ids=str,
)
def test_mistakes(pipe, source, options, error, words):
    with pytest.raises(error, match=words):
        pipe.load_textual_inversion(source, **options)
    with pytest.raises(ValueError, match="No tokens to remove"):
        pipe.unload_textual_inversion("inkwash")
