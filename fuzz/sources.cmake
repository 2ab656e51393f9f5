# What the fuzzers link, below src: the rooms that read files, without the kernels and their libraries. The tests that replay the seeds link the same
# and no more, so that a source that is missing here shows there.
set(IMPASTO_FUZZED_SOURCES
    core/error.cc core/file.cc core/guard.cc core/json.cc core/memory.cc core/utf8.cc
    hub/http_headers.cc hub/listing.cc hub/needed_files.cc hub/reference.cc hub/url.cc
    models/clip_layer_config.cc models/clip_text_config.cc models/clip_vision_config.cc models/tiny_vae_config.cc models/unet_config.cc models/vae_config.cc
    weights/block_format.cc weights/file_weights.cc weights/gguf.cc weights/memory_reader.cc weights/pickle.cc weights/safetensors_header.cc weights/torch_file.cc weights/torch_pickle.cc weights/zip.cc
    image/decode.cc image/exif.cc image/jpeg_reader.cc image/png_reader.cc image/text_encoding.cc image/webp_reader.cc
    prompts/a1111_syntax.cc prompts/chunks.cc prompts/comfyui_syntax.cc prompts/edited_prompt.cc prompts/new_words.cc
    tokenizers/byte_pair_encoder.cc tokenizers/clip_tokenizer.cc tokenizers/tokenizer_config.cc tokenizers/unicode.cc)
set(IMPASTO_FUZZED_LIBRARIES nlohmann_json::nlohmann_json ZLIB::ZLIB PNG::PNG JPEG::JPEG PkgConfig::webp PkgConfig::utf8proc PkgConfig::curl)
set(IMPASTO_FUZZERS json config safetensors_header vocabulary prompt image pickle zip torch gguf hub_answer)
