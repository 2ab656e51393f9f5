"""Impasto's networks inside diffusers' pipelines."""

import numpy as np
import pytest
from beside_diffusers import CLOSE, QUICK, TINY, diffusers, picture, torch
from golden import DATA

import impasto

pytestmark = pytest.mark.diffusers


class TestAccelerate:
    @pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
    def dtype(self, request):
        return request.param

    def load(self, dtype=torch.float32):
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=dtype, safety_checker=None)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    @pytest.mark.parametrize("scheduler", ["PNDMScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler"])
    def test_draws_the_same_with_diffusers_schedulers(self, scheduler):
        pipe = self.load()
        pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)
        draw = lambda: pipe("a boat", **QUICK, num_images_per_prompt=2, generator=torch.Generator().manual_seed(1)).images  # noqa: E731
        plain = draw()
        assert impasto.accelerate(pipe, vae=True, text_encoder=True) is pipe
        assert type(pipe.unet).__name__ == "AcceleratedUNet"
        np.testing.assert_allclose(draw(), plain, **CLOSE)

    def test_weights_are_not_copied_and_outlive_the_module(self):
        pipe = self.load()
        plain = pipe("a boat", **QUICK, generator=torch.Generator().manual_seed(1)).images
        impasto.accelerate(pipe)
        import gc

        gc.collect()
        np.testing.assert_allclose(pipe("a boat", **QUICK, generator=torch.Generator().manual_seed(1)).images, plain, **CLOSE)

    def test_looks_like_the_module_that_it_stands_for(self, dtype):
        pipe = self.load(dtype)
        config = dict(pipe.unet.config)
        impasto.accelerate(pipe)
        assert dict(pipe.unet.config) == config and pipe.unet.dtype == dtype and pipe.unet.device == torch.device("cpu")
        sample, context = torch.randn(2, 4, 8, 8, dtype=dtype), torch.randn(2, 77, pipe.unet.config.cross_attention_dim, dtype=dtype)
        out = pipe.unet(sample, torch.tensor(500), encoder_hidden_states=context)
        assert out.sample.dtype == dtype and out.sample.shape == sample.shape
        assert torch.equal(pipe.unet(sample, 500, context, return_dict=False)[0], out.sample)

    def test_one_timestep_for_each_image(self):
        pipe = self.load()
        sample, context = torch.randn(2, 4, 8, 8), torch.randn(2, 77, pipe.unet.config.cross_attention_dim)
        times = torch.tensor([900, 20])
        with torch.no_grad():
            expected = pipe.unet(sample, times, context).sample
        torch.testing.assert_close(impasto.accelerate(pipe).unet(sample, times, context).sample, expected, rtol=1e-3, atol=1e-3)

    def test_conditioning_follows_its_text(self):
        pipe = impasto.accelerate(self.load())
        sample, context = torch.randn(1, 4, 8, 8), torch.randn(1, 77, pipe.unet.config.cross_attention_dim)
        first = pipe.unet(sample, 5, context).sample
        other = pipe.unet(sample, 5, context * 2).sample
        context.mul_(2)  # the same tensor with other numbers
        assert torch.equal(pipe.unet(sample, 5, context).sample, other) and not torch.equal(first, other)

    def test_image_to_image_of_diffusers_works_with_it(self):
        pipe = diffusers.StableDiffusionImg2ImgPipeline(**self.load().components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        draw = lambda: pipe("a boat", image=picture(64, 64), num_inference_steps=4, generator=torch.Generator().manual_seed(1), output_type="np").images  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe, vae=True)
        np.testing.assert_allclose(draw(), plain, **CLOSE)

    def test_tensors_are_not_copied_where_they_lie_densely(self):
        from impasto.arrays import like, to_numpy

        x = torch.randn(2, 4, 8, 8)
        assert np.shares_memory(to_numpy(x), x.numpy())
        out = to_numpy(x).copy()
        assert np.shares_memory(like(out, x).numpy(), out)

    def test_words_loaded_before_go_with_the_text_encoder(self):
        pipe = self.load()
        pipe.load_textual_inversion(DATA / "embeddings" / "learned.safetensors")
        draw = lambda: pipe("a <sea-light> boat", **QUICK, generator=torch.Generator().manual_seed(1)).images  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe, vae=True, text_encoder=True)
        np.testing.assert_allclose(draw(), plain, **CLOSE)
        with pytest.raises(AttributeError, match="before accelerate"):
            pipe.load_textual_inversion(DATA / "embeddings" / "inkwash.safetensors", token="inkwash")

    def test_calls_for_gpu_memory_are_accepted(self):
        pipe = impasto.accelerate(self.load(), vae=True)
        pipe.enable_attention_slicing()
        pipe.vae.enable_tiling()
        pipe.unet.fuse_qkv_projections()
        assert pipe.to("cpu") is pipe
        with pytest.raises(AttributeError, match="before accelerate"):
            pipe.enable_freeu(1.0, 1.0, 1.0, 1.0)

    def test_freeu_is_refused_and_may_be_taken_off(self):
        pipe = self.load()
        pipe.enable_freeu(0.9, 0.2, 1.2, 1.4)
        with pytest.raises(NotImplementedError, match="disable_freeu"):
            impasto.accelerate(pipe)
        pipe.disable_freeu()
        assert impasto.accelerate(pipe) is pipe

    def test_refuses_what_is_no_pipeline(self):
        with pytest.raises(TypeError, match="pipeline"):
            impasto.accelerate(3)

    def test_lora_of_peft_goes_in_as_it_is(self):
        pytest.importorskip("peft")
        pipe = self.load()
        pipe.load_lora_weights(DATA / "adapters", weight_name="lora_kohya.safetensors", adapter_name="kohya")
        pipe.load_lora_weights(DATA / "adapters", weight_name="lora_peft.safetensors", adapter_name="peft")
        pipe.set_adapters(["kohya", "peft"], [0.7, -0.4])
        draw = lambda: pipe("a boat", **QUICK, generator=torch.Generator().manual_seed(1)).images  # noqa: E731
        plain = draw()
        impasto.accelerate(pipe)
        np.testing.assert_allclose(draw(), plain, **CLOSE)
        with pytest.raises(NotImplementedError, match="scale"):
            pipe("a boat", **QUICK, cross_attention_kwargs={"scale": 0.5})


class TestDevices:
    def load(self):
        return impasto.accelerate(diffusers.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float32, safety_checker=None), vae=True, text_encoder=True)

    def test_moving_to_a_dtype_moves_impastos_networks_too(self):
        pipe = self.load()
        assert pipe.unet.impasto.dtype == torch.float32
        pipe.to(torch.bfloat16)
        assert pipe.unet.dtype == pipe.unet.impasto.dtype == pipe.vae.impasto.dtype == pipe.text_encoder.impasto.dtype == torch.bfloat16
        out = pipe.unet(torch.randn(1, 4, 8, 8).bfloat16(), 10, torch.randn(1, 77, pipe.unet.config.cross_attention_dim).bfloat16())
        assert out.sample.dtype == torch.bfloat16 and out.sample.isfinite().all()

    def test_a_module_on_a_gpu_that_impasto_cannot_use_is_computed_on_the_cpu_and_that_is_said(self, caplog):
        from impasto import acceleration

        place = acceleration._place_of(torch.device("cuda", 99), torch.float16)
        assert place == ("cpu", "float16") and "cuda:99" in caplog.text

    def test_torchs_devices_and_dtypes_are_understood_and_given(self):
        pipe = impasto.StableDiffusionPipeline.from_pretrained(TINY, torch_dtype=torch.float16)
        assert pipe.device == torch.device("cpu") and pipe.dtype == torch.float16
        assert pipe.to(torch.device("cpu"), torch.bfloat16).dtype == torch.bfloat16
        assert pipe.to(device="cpu", dtype=torch.float32).dtype == torch.float32
        assert pipe.to(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.bfloat16
        with pytest.raises(RuntimeError):
            pipe.to(torch.device("cuda", 99))
        with pytest.raises(ValueError, match="float64"):
            pipe.to(torch.float64)
