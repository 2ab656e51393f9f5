"""Prompts in other syntaxes than diffusers'."""

import numpy as np
import pytest
from golden import cases

import impasto

QUICK = dict(num_inference_steps=2, height=32, width=32, output_type="latent", generator=5)


@pytest.mark.parametrize("case", cases("prompts"), ids=lambda case: case.name)
def test_encode_prompt_equals_the_reference(case):
    pipe = impasto.StableDiffusionPipeline.from_pretrained(case.checkpoint)
    pipe.prompt_syntax = case.settings["syntax"]
    context, negative = pipe.encode_prompt(case.record["text"], do_classifier_free_guidance=False, clip_skip=case.settings["clip_skip"])
    case.check("context", np.asarray(context))
    assert negative is None


def test_prompts_of_any_length_meet_at_one(pipe, caplog):
    pipe.prompt_syntax = "a1111"
    long, longer = "a boat, " * 40, "a boat, " * 60
    positive, negative = (np.asarray(e) for e in pipe.encode_prompt([long, "a (boat:1.3)"], negative_prompt=[longer, ""]))
    assert positive.shape == negative.shape == (2, 6 * 77, positive.shape[2])  # 2 and 3 chunks
    np.testing.assert_array_equal(positive[0, : 2 * 77], positive[0, 2 * 77 : 4 * 77])
    drawn = np.asarray(pipe([long, "a boat"], **{**QUICK, "generator": [5, 6]}).images)
    alone = np.asarray(pipe("a boat", **{**QUICK, "generator": 6}).images)
    np.testing.assert_allclose(drawn[1:], alone, atol=1e-4)  # attention to a text twice is attention to it, but for roundings
    assert not caplog.records


def test_clip_skip_holds_for_the_negative_prompt_too(pipe):
    plain = pipe.encode_prompt("a boat", negative_prompt="fog", clip_skip=1)
    pipe.prompt_syntax = "a1111"
    a1111 = pipe.encode_prompt("a boat", negative_prompt="fog", clip_skip=1)
    np.testing.assert_array_equal(plain[0], a1111[0])
    assert not np.array_equal(plain[1], a1111[1])


def test_what_cannot_be_read_is_refused(pipe):
    pipe.prompt_syntax = "wildcards"
    with pytest.raises(ValueError, match="plain, a1111 and comfyui"):
        pipe("a boat", **QUICK)
    pipe.prompt_syntax = "a1111"
    with pytest.raises(NotImplementedError, match="changes on the way"):
        pipe.encode_prompt("a [boat:house:0.5]")
    with pytest.raises(ValueError, match="changes into texts of more"):
        pipe("[a|b][a|b|c][a|b|c|d|e][a|b|c|d|e|f|g][a|b|c|d|e|f|g|h|i|j|k]", **{**QUICK, "num_inference_steps": 999})
