// Named tensors in a file, whatever the format.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor_view.h"

namespace impasto {

struct TensorInfo {
  DType dtype = DType::float32;
  Shape shape;
  std::size_t bytes() const { return static_cast<std::size_t>(shape.count()) * size_of(dtype); }
};

class WeightReader {
 public:
  virtual ~WeightReader() = default;

  /// Where the tensors come from, for messages.
  virtual std::string where() const = 0;
  /// "safetensors", ...
  virtual std::string format() const = 0;
  /// Every name, sorted.
  virtual std::vector<std::string> names() const = 0;
  /// Dtype and shape as stored, from what was read when the file was opened; nothing when there is no such tensor. Throws unsupported for
  /// a dtype that DType lacks or a rank beyond Shape's.
  virtual std::optional<TensorInfo> describe(std::string_view name) const;
  /// The same with the bytes, aligned for the dtype; they live as long as the reader. An empty view when there is no such tensor. Throws
  /// as describe(), and bad_file as check_unchanged().
  virtual TensorView find(std::string_view name) const = 0;
  /// Copies `count` of the tensor's bytes from byte `begin` on to `out`. Throws not_found, io, and bad_file when the file was cut or written
  /// to since it was opened.
  virtual void read_range(std::string_view name, std::uint64_t begin, std::size_t count, void* out) const;
  /// Whether read_range() of a part costs what the part does; else the tensor had better be read as a whole. Nothing may be concluded from false.
  virtual bool is_contiguous(std::string_view) const { return false; }
  /// The whole tensor: describe(name)->bytes() of them.
  void read(std::string_view name, void* out) const;
  /// Texts that the file carries beside its tensors, by key; those beyond 64 KiB are left out.
  virtual const std::map<std::string, std::string>& metadata() const;
  /// Throws bad_file when a file was cut or written to since it was opened: call it after the last use of mapped bytes that matters.
  virtual void check_unchanged() const {}
  /// Tells the system that the mapped bytes are not needed soon (they were packed): resident memory shrinks, content stays valid.
  virtual void release_pages() const {}
};

// A mapped file that another process changes. Replacing it by renaming, as downloaders do, is harmless: we hold the old one. Writing into it
// makes find() and check_unchanged() throw. Cutting it short makes the kernel stop with SIGBUS whoever touches mapped bytes beyond the new
// end, and a library may not handle that signal: find() looks at the file's size before it hands out a view, so what remains is a cut
// between find() and the last use of its bytes. read() has no such window, at the price of a copy: copied_weights() is made of it.

/// One safetensors file, mapped read-only by the first find(); the header is checked in full before anything is believed. Throws not_found,
/// io, bad_file.
std::shared_ptr<const WeightReader> open_safetensors(const std::string& path);

/// One file of torch.save: a state dict, or a dict with one under "state_dict" (or "string_to_param", in A1111's embeddings;
/// or "image_proj" and "ip_adapter", in IP-Adapters, by whose names those of their tensors begin). Its pickle is read as
/// data by a reader that knows a few names and refuses all others (weights/torch_pickle.h). Throws not_found, io, bad_file, unsupported.
std::shared_ptr<const WeightReader> open_torch(const std::string& path);

/// One GGUF file. Quantised tensors read as float16. Throws not_found, io, bad_file, unsupported.
std::shared_ptr<const WeightReader> open_gguf(const std::string& path);

/// One file of tensors in any format that is known, told by its first bytes whatever it is called. Throws as the format's own function, and
/// bad_file for a file of another kind.
std::shared_ptr<const WeightReader> open_weights_file(const std::string& path);

/// The weights of a component folder: `<stem>.safetensors`, or the shards that `<stem>.safetensors.index.json` lists; an `.fp16.`
/// variant when only that is there; else the same of PyTorch's `.bin` files. Throws not_found naming the folder and what was looked for.
std::shared_ptr<const WeightReader> open_weights(const std::string& folder, const std::string& stem);

/// The same tensors in memory of their own, read with all threads: whatever happens to the files afterwards, these stay. Throws
/// out_of_memory, cancelled (core/cancellation.h), and as read().
std::shared_ptr<const WeightReader> copied_weights(const WeightReader& source);

/// Where a tensor lies in a file that calls it otherwise: all of tensor `name`, or part `part` of `parts` equal ranges of its rows, or all of a
/// matrix with rows and columns exchanged.
struct SourceTensor {
  std::string name;
  int part = 0, parts = 1;
  bool transposed = false;
};
using NameMap = std::map<std::string, SourceTensor, std::less<>>;  ///< by the new name

/// The tensors of `file` that the map names, under their new names. Throws bad_file when a tensor does not divide into its parts, or is no
/// matrix that could be transposed.
std::shared_ptr<const WeightReader> renamed_weights(std::shared_ptr<const WeightReader> file, NameMap names);

/// Tensors in memory, for tests.
std::shared_ptr<const WeightReader> in_memory_weights(std::vector<std::pair<std::string, TensorView>> tensors, std::shared_ptr<void> owner);

}  // namespace impasto
