// Prompts read by text encoders on their own.
#include "core/fail.h"
#include "core/quote.h"
#include "pipelines/component_models.h"
#include "pipelines/component_tensors.h"
#include "pipelines/encode_text.h"
#include "pipelines/new_words.h"
#include "pipelines/prompt_turns.h"

namespace impasto {

/// Reads texts, one for each text encoder, without what they say of steps.
struct PromptReader {
  /// One of them.
  struct Part {
    std::shared_ptr<const ClipText> encoder;
    NewVocabulary added;
    PromptTokenizer words;

    Part(const PromptPart& p, const PromptReading& how)
        : encoder(p.text_encoder.impl_->net.get()),
          added(new_vocabulary(p.embeddings, how.syntax, encoder->config().hidden_size, encoder->config().vocabulary_size)),
          words(p.tokenizer.impl_->clip, added.words) {}
  };
  const PromptReading& how;
  std::vector<Part> parts;

  PromptReader(std::span<const PromptPart> given, const PromptReading& h) : how(h) {
    if (given.empty()) fail(ErrorKind::invalid_argument, "there is no text to encode");
    for (const PromptPart& part : given) parts.emplace_back(part, how);
  }

  EncodedPromptText read(const std::vector<std::string>& texts) const {
    std::vector<TextReader> readers;
    for (const Part& part : parts) readers.push_back({part.words, *part.encoder, part.added.vectors});
    EncodedText encoded = encode_text(readers, texts, {.syntax = how.syntax, .clip_skip = how.clip_skip, .penultimate = how.penultimate});
    return {to_host(encoded.context), encoded.pooled ? to_host(encoded.pooled) : HostTensor(), std::move(encoded.cut)};
  }
};

namespace {

constexpr int kMostSteps = 100000;

std::vector<std::string> texts_of(std::span<const PromptPart> parts) {
  std::vector<std::string> texts;
  for (const PromptPart& part : parts) texts.push_back(part.text);
  return texts;
}

}  // namespace

EncodedPromptText encode_prompt(std::span<const PromptPart> parts, const PromptReading& how, const ShouldStop& should_stop) {
  return running(should_stop, [&] {
    for (const PromptPart& part : parts)
      if (how.syntax == PromptSyntax::a1111 && EditedPrompt(part.text, /*num_steps=*/1000).last_steps().size() > 1)
        fail(ErrorKind::unsupported, "the prompt changes on the way (", in_quotes(part.text),
             "): it is one context only at a step; encode_prompt_turns() takes it");
    return PromptReader(parts, how).read(texts_of(parts));
  });
}

EncodedPromptText encode_prompt(const Tokenizer& tokenizer, const TextModel& text_encoder, const std::string& text, const PromptReading& how,
                                const ShouldStop& should_stop) {
  const PromptPart part{tokenizer, text_encoder, text};
  return encode_prompt({&part, 1}, how, should_stop);
}

EncodedPromptTurns encode_prompt_turns(std::span<const PromptPart> parts, int num_steps, const PromptReading& how, const ShouldStop& should_stop) {
  return running(should_stop, [&] {
    if (num_steps < 1 || num_steps > kMostSteps) fail(ErrorKind::invalid_argument, "num_steps is ", num_steps, ", allowed is 1 to ", kMostSteps);
    const PromptReader reader(parts, how);
    EncodedPromptTurns out;
    const auto add = [&](const std::vector<std::string>& now) {
      EncodedPromptText encoded = reader.read(now);
      out.contexts.push_back(std::move(encoded.context)), out.pooled.push_back(std::move(encoded.pooled));
      if (out.cut.empty()) out.cut = std::move(encoded.cut);
      return out.contexts.back().shape[1];
    };
    if (how.syntax != PromptSyntax::a1111) {
      add(texts_of(parts));
      out.turns.assign(static_cast<std::size_t>(num_steps), 0);
      return out;
    }
    std::vector<EditedPrompt> edited;
    for (const PromptPart& part : parts) edited.emplace_back(part.text, num_steps);
    out.turns = encode_turns(edited, "the prompt", add);
    return out;
  });
}

EncodedPromptTurns encode_prompt_turns(const Tokenizer& tokenizer, const TextModel& text_encoder, const std::string& text, int num_steps,
                                       const PromptReading& how, const ShouldStop& should_stop) {
  const PromptPart part{tokenizer, text_encoder, text};
  return encode_prompt_turns({&part, 1}, num_steps, how, should_stop);
}

}  // namespace impasto
