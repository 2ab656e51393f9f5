// Writing tensors into files.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "weights/reader.h"

namespace impasto {

/// A tensor of a file to be: tensors of a reader, one after the other along the first dimension, in another type if need be.
struct TensorToWrite {
  std::string name;
  std::shared_ptr<const WeightReader> source;
  std::vector<std::string> parts;
  Shape shape;  ///< of all parts together
  DType dtype = DType::float32;

  std::uint64_t bytes() const { return static_cast<std::uint64_t>(shape.count()) * size_of(dtype); }
};

/// Told the bytes written so far; may throw to end it.
using WriteProgress = std::function<void(std::uint64_t bytes)>;

/// Writes a safetensors file, whole or not at all (core/atomic_file.h). Throws io, bad_file as the readers, and unsupported for a value that does not
/// fit into its type.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors, const std::map<std::string, std::string>& metadata,
                       const WriteProgress& progress = {});

/// How a GGUF file packs the tensors that it packs.
enum class Packing { none, q8_0, q4_0 };

/// Writes a GGUF file (version 3) likewise. Matrices whose rows divide into blocks of 32 are packed, where `pack` says so; `texts` become key-value
/// pairs beside general.architecture.
void write_gguf(const std::string& path, std::vector<TensorToWrite> tensors, const std::string& architecture,
                const std::map<std::string, std::string>& texts, Packing packing, const std::function<bool(const std::string& name)>& pack,
                const WriteProgress& progress = {});

/// The tensor's elements in its own type, in pieces, in order.
void for_each_piece(const TensorToWrite& tensor, const std::function<void(std::span<const std::uint8_t>)>& take);
/// The same as float32.
void for_each_float(const TensorToWrite& tensor, const std::function<void(std::span<const float>)>& take);

}  // namespace impasto
