#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bind.h"
#include "impasto/components.h"
#include "run.h"

namespace impasto::python {
using namespace nb::literals;

namespace {

using Vectors = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

Embedding embedding_of(const std::string& source, const Vectors& v) {
  const auto rows = static_cast<std::int64_t>(v.shape(0)), width = static_cast<std::int64_t>(v.shape(1));
  return {{}, source, {{"emb_params", rows, width, {v.data(), v.data() + v.size()}}}};
}

/// A tokenizer, a text encoder, a text and the words that they were taught, for each text encoder of a model.
using Part = std::tuple<const Tokenizer*, const TextModel*, std::string, std::vector<Embedding>>;

std::vector<PromptPart> parts_of(const std::vector<Part>& given) {
  std::vector<PromptPart> parts;
  for (const auto& [tokenizer, encoder, text, words] : given) parts.push_back({*tokenizer, *encoder, text, words});
  return parts;
}

nb::object pooled_or_none(HostTensor&& pooled) { return pooled.shape.empty() ? nb::none() : to_numpy(std::move(pooled)); }

nb::tuple encode(const std::vector<Part>& given, const std::string& syntax, int clip_skip, bool penultimate, const StopFlag* stop) {
  const PromptReading how{prompt_syntax_named(syntax), clip_skip, penultimate};
  EncodedPromptText encoded = without_gil(stop, [&](const ShouldStop& s) { return encode_prompt(parts_of(given), how, s); });
  return nb::make_tuple(to_numpy(std::move(encoded.context)), pooled_or_none(std::move(encoded.pooled)), encoded.cut);
}

nb::tuple encode_turns(const std::vector<Part>& given, int num_steps, const std::string& syntax, int clip_skip, bool penultimate,
                       const StopFlag* stop) {
  const PromptReading how{prompt_syntax_named(syntax), clip_skip, penultimate};
  EncodedPromptTurns encoded = without_gil(stop, [&](const ShouldStop& s) { return encode_prompt_turns(parts_of(given), num_steps, how, s); });
  nb::list contexts, pooled;
  for (HostTensor& context : encoded.contexts) contexts.append(to_numpy(std::move(context)));
  for (HostTensor& each : encoded.pooled) pooled.append(pooled_or_none(std::move(each)));
  return nb::make_tuple(contexts, pooled, encoded.turns, encoded.cut);
}

void bind_embeddings(nb::module_& m) {
  nb::class_<Embedding>(m, "Embedding", "Words of textual inversion: names, and vectors for text encoders of one width or several.")
      .def_static("read", &read_embedding, "path"_a, nb::call_guard<nb::gil_scoped_release>())
      .def_static("of", &embedding_of, "source"_a, "vectors"_a, "float32 [vectors, width].")
      .def_rw("names", &Embedding::names)
      .def_prop_ro("shapes", [](const Embedding& e) {
        std::vector<std::pair<std::int64_t, std::int64_t>> shapes;
        for (const Embedding::Tensor& t : e.tensors) shapes.emplace_back(t.vectors, t.width);
        return shapes;
      });
}

}  // namespace

void bind_text(nb::module_& m) {
  bind_embeddings(m);
  nb::class_<Tokenizer>(m, "Tokenizer", "CLIP's tokenizer.")
      .def_static("load", &Tokenizer::load, "folder"_a)
      .def(
          "encode", [](const Tokenizer& t, const std::string& text) { return t.encode(text).ids; }, "text"_a)
      .def(
          "encode_padded",
          [](const Tokenizer& t, const std::string& text) {
            const auto e = t.encode_padded(text);
            return std::pair(e.ids, e.cut);
          },
          "text"_a)
      .def_prop_ro("max_length", &Tokenizer::max_length)
      .def_prop_ro("start_id", &Tokenizer::start_id)
      .def_prop_ro("end_id", &Tokenizer::end_id)
      .def_prop_ro("pad_id", &Tokenizer::pad_id);
  m.def("encode_prompt", &encode, "parts"_a, "syntax"_a = "plain", "clip_skip"_a = 0, "penultimate"_a = false, "stop"_a.none() = nb::none(),
        "What reads a text, the text and new words, for each text encoder, to float32 [1, tokens, c], what it comes to as a whole ([1, c] or None), "
        "and the part "
        "of the text that was cut.");
  m.def("encode_prompt_turns", &encode_turns, "parts"_a, "num_steps"_a, "syntax"_a = "plain", "clip_skip"_a = 0, "penultimate"_a = false,
        "stop"_a.none() = nb::none(),
        "Contexts float32 [1, tokens, c], what each comes to as a whole, which of them leads each step, and the part of the text that was cut.");
}

}  // namespace impasto::python
