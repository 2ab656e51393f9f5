// Bytes that a format is read from: a file, or memory in tests and fuzzers.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/fail.h"
#include "core/file.h"

namespace impasto {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// For messages.
  virtual const std::string& where() const = 0;
  virtual std::uint64_t size() const = 0;
  /// Exactly `count` bytes from `offset`. Throws io, or bad_file when there are fewer.
  virtual void read(void* out, std::size_t count, std::uint64_t offset) const = 0;

  /// The same as a text; `count` is the caller's to bound.
  std::string read(std::uint64_t offset, std::size_t count) const {
    std::string bytes(count, '\0');
    read(bytes.data(), count, offset);
    return bytes;
  }
};

class FileBytes final : public ByteSource {
 public:
  explicit FileBytes(const File& file) : file_(file) {}
  const std::string& where() const override { return file_.path(); }
  std::uint64_t size() const override { return file_.size(); }
  void read(void* out, std::size_t count, std::uint64_t offset) const override { file_.read(out, count, offset); }
  using ByteSource::read;

 private:
  const File& file_;
};

class MemoryBytes final : public ByteSource {
 public:
  MemoryBytes(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}
  const std::string& where() const override { return where_; }
  std::uint64_t size() const override { return bytes_.size(); }
  void read(void* out, std::size_t count, std::uint64_t offset) const override {
    if (offset > bytes_.size() || count > bytes_.size() - offset) fail(ErrorKind::bad_file, where_, ": ends early");
    if (count > 0) std::memcpy(out, bytes_.data() + offset, count);
  }
  using ByteSource::read;

 private:
  std::string_view bytes_;
  std::string where_;
};

/// Little-endian numbers and texts, one after the other, out of bytes in memory.
class ByteReader {
 public:
  /// `what` is being read, for messages: "data.pkl".
  ByteReader(std::string_view bytes, std::string what) : bytes_(bytes), what_(std::move(what)) {}

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  std::string_view peek() const { return bytes_.substr(position_); }

  template <typename T>
  T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }

  /// Throws bad_file when fewer are left.
  std::string_view take_bytes(std::uint64_t count) {
    if (count > left()) fail(ErrorKind::bad_file, what_, ": ends at byte ", bytes_.size(), ", but ", count, " bytes should follow byte ", position_);
    const std::string_view taken = bytes_.substr(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return taken;
  }

 private:
  std::string_view bytes_;
  std::string what_;
  std::size_t position_ = 0;
};

}  // namespace impasto
