// Dimensions of a tensor, outermost first.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/fail.h"

namespace impasto {

/// Up to five dimensions, held in place; the product of all dimensions fits in 63 bits (checked by whoever reads a file).
class Shape {
 public:
  static constexpr int kMaxRank = 5;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(dims.begin(), dims.end()) {}
  explicit Shape(const std::vector<std::int64_t>& dims) : Shape(dims.begin(), dims.end()) {}

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return dims_[i]; }
  std::int64_t& operator[](int i) { return dims_[i]; }
  std::int64_t back() const { return rank_ == 0 ? 1 : dims_[rank_ - 1]; }
  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + rank_; }

  /// Number of elements; 1 for a scalar (rank 0).
  std::int64_t count() const {
    std::int64_t n = 1;
    for (std::int64_t d : *this) n *= d;
    return n;
  }
  /// Number of rows when the last dimension is a row.
  std::int64_t rows() const { return back() == 0 ? 0 : count() / back(); }

  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if (dims_[i] != other.dims_[i]) return false;
    return true;
  }

  /// "[2, 77, 768]"
  std::string to_string() const {
    std::string s = "[";
    for (int i = 0; i < rank_; ++i) s += (i != 0 ? ", " : "") + std::to_string(dims_[i]);
    return s + "]";
  }

 private:
  template <typename It>
  Shape(It first, It last) {
    IMPASTO_CHECK(last - first <= kMaxRank);
    for (; first != last; ++first) dims_[rank_++] = *first;
  }

  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace impasto
