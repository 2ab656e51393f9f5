#include "prompts/chunks.h"

#include <cmath>

#include "core/fail.h"

namespace impasto {
namespace {

using Ids = std::vector<std::int32_t>;

/// Chunks being filled.
class Filler {
 public:
  explicit Filler(const ClipTokenizer& tokenizer) : tokenizer_(tokenizer), room_(static_cast<std::size_t>(tokenizer.max_length()) - 2) {}

  std::size_t filled() const { return ids_.size(); }
  std::size_t room() const { return room_ - ids_.size(); }

  void add(std::int32_t id, double weight) {
    constexpr double kMost = 1000;
    if (std::abs(weight) > kMost) fail(ErrorKind::invalid_argument, "a weight in the prompt is ", weight, ", allowed is -", kMost, " to ", kMost);
    ids_.push_back(id);
    weights_.push_back(static_cast<float>(weight));
  }

  /// Ends the chunk after its first `kept` tokens; the others begin the next.
  void next(std::size_t kept) {
    if (chunks_.size() == kMostChunks)
      fail(ErrorKind::invalid_argument, "the prompt fills more than ", kMostChunks, " chunks of ", room_, " tokens; make it shorter");
    const auto cut = static_cast<std::ptrdiff_t>(kept);
    Chunk chunk;
    chunk.ids.push_back(tokenizer_.start_id());
    chunk.ids.insert(chunk.ids.end(), ids_.begin(), ids_.begin() + cut);
    chunk.ids.push_back(tokenizer_.end_id());
    chunk.weights.push_back(1);
    chunk.weights.insert(chunk.weights.end(), weights_.begin(), weights_.begin() + cut);
    chunk.ids.resize(room_ + 2, tokenizer_.pad_id());
    chunk.weights.resize(room_ + 2, 1);
    chunks_.push_back(std::move(chunk));
    ids_.erase(ids_.begin(), ids_.begin() + cut);
    weights_.erase(weights_.begin(), weights_.begin() + cut);
  }
  void next() { next(filled()); }

  std::vector<Chunk> finish() {
    if (filled() > 0 || chunks_.empty()) next();
    return std::move(chunks_);
  }

 private:
  const ClipTokenizer& tokenizer_;
  const std::size_t room_;
  Ids ids_;
  std::vector<float> weights_;
  std::vector<Chunk> chunks_;
};

}  // namespace

std::vector<Chunk> a1111_chunks(const PromptTokenizer& tokenizer, const std::vector<WeightedText>& parts) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1), kFarthest = 20;
  const Ids comma = tokenizer.clip().encode(",");  // between start and end
  Filler filler(tokenizer.clip());
  std::size_t last_comma = kNone;  // its place in the chunk
  const auto next = [&](std::size_t kept) {
    filler.next(kept);
    last_comma = kNone;
  };
  /// Before a token: makes room where the chunk is full.
  const auto make_room = [&](bool is_comma) {
    if (is_comma) last_comma = filler.filled();
    const bool near = !is_comma && last_comma != kNone && filler.filled() - last_comma <= kFarthest;
    if (filler.room() == 0) next(near ? last_comma + 1 : filler.filled());
  };
  for (const WeightedText& part : parts) {
    if (part.starts_chunk) {
      next(filler.filled());
      continue;
    }
    for (const PromptTokenizer::Piece& piece : tokenizer.pieces(part.text)) {
      if (piece.is_new_word) {
        make_room(/*is_comma=*/false);
        if (filler.room() < piece.ids.size()) next(filler.filled());
      }
      for (const std::int32_t id : piece.ids) {
        if (!piece.is_new_word) make_room(comma.size() == 3 && id == comma[1]);
        filler.add(id, part.weight);
      }
    }
  }
  return filler.finish();
}

std::vector<Chunk> comfyui_chunks(const PromptTokenizer& tokenizer, const std::vector<WeightedText>& parts) {
  constexpr std::size_t kFewestToCut = 8;
  Filler filler(tokenizer.clip());
  for (const WeightedText& part : parts) {
    for (const PromptTokenizer::Piece& piece : tokenizer.pieces(part.text)) {
      if (piece.ids.size() < kFewestToCut && piece.ids.size() > filler.room()) filler.next();
      for (const std::int32_t id : piece.ids) {
        if (filler.room() == 0) filler.next();
        filler.add(id, part.weight);
      }
    }
  }
  return filler.finish();
}

}  // namespace impasto
