// A JSON text read out of a file a block at a time, with no part of it longer than what a reader can be asked to hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>

#include "core/fail.h"
#include "weights/byte_source.h"

namespace impasto {

/// Bytes [begin, end) of a source, for nlohmann's parser, which keeps the string, the number or the blanks that it is reading in memory. Throws
/// bad_file for longer ones, and for a NUL, which the parser would take for the end of its input.
class JsonBytes {
 public:
  static constexpr std::uint64_t kLongestString = 8 << 20, kLongestRun = 1 << 20;

  JsonBytes(const ByteSource& source, std::uint64_t begin, std::uint64_t end) : source_(source), origin_(begin), block_begin_(begin), end_(end) {
    load();
  }

  /// The parser's view of it: all copies move together.
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = char;

    explicit Iterator(JsonBytes* bytes = nullptr) : bytes_(bytes) {}
    char operator*() const { return bytes_->block_[bytes_->at_]; }
    Iterator& operator++() {
      bytes_->next();
      return *this;
    }
    bool operator==(const Iterator& other) const { return done() == other.done(); }

   private:
    bool done() const { return bytes_ == nullptr || bytes_->at_ == bytes_->block_.size(); }
    JsonBytes* bytes_;
  };

  Iterator begin() { return Iterator(this); }
  Iterator end() const { return Iterator(); }

 private:
  static constexpr std::uint64_t kBlock = 64 << 10;

  void load() {
    block_ = source_.read(block_begin_, static_cast<std::size_t>(std::min(kBlock, end_ - block_begin_)));
    at_ = 0;
    if (!block_.empty()) look();
  }

  void next() {
    if (++at_ < block_.size()) return look();
    block_begin_ += block_.size();
    load();
  }

  /// Follows where strings begin and end, and counts how long what stands here is already.
  void look() {
    const char c = block_[at_];
    if (c == '\0') fail(ErrorKind::bad_file, source_.where(), ": header is not valid JSON: NUL at byte ", position());
    ++run_;
    if (in_string_) {
      if (escaped_)
        escaped_ = false;
      else if (c == '\\')
        escaped_ = true;
      else if (c == '"')
        in_string_ = false, run_ = 0;
    } else if (c == '"') {
      in_string_ = true, run_ = 0;
    } else if (c == ',' || c == ':' || c == '[' || c == ']' || c == '{' || c == '}') {
      run_ = 0;
    }
    if (run_ > (in_string_ ? kLongestString : kLongestRun))
      fail(ErrorKind::bad_file, source_.where(), ": header: what stands at byte ", position(), " is longer than ",
           in_string_ ? kLongestString : kLongestRun, " bytes; no published file has such texts or numbers");
  }

  std::uint64_t position() const { return block_begin_ + at_ - origin_ + 1; }

  const ByteSource& source_;
  const std::uint64_t origin_;
  std::uint64_t block_begin_, end_;
  std::string block_;
  std::size_t at_ = 0;
  bool in_string_ = false, escaped_ = false;
  std::uint64_t run_ = 0;
};

}  // namespace impasto
