// What PyTorch's pickles mean: the few names that rebuild tensors, and nothing else.
#pragma once

#include <map>
#include <optional>

#include "core/dtype.h"
#include "weights/pickle.h"

namespace impasto {

/// An element type of PyTorch's storages.
struct TorchType {
  const char* storage;  ///< "FloatStorage"
  const char* name;     ///< "float32"
  int bytes;
  std::optional<DType> dtype;  ///< empty: may exist in a file, but cannot be asked for
};

/// Of a value of kind storage.
const TorchType& storage_type(const PickleValue& storage);

/// Knows the storages' types, torch._utils._rebuild_tensor_v2 (and its forerunner), _rebuild_parameter and collections.OrderedDict, and takes for
/// inert what the published checkpoints hold beside tensors (NumPy's scalars and arrays, sets, Lightning's ModelCheckpoint). Every other name is
/// refused: it could run code if Python read the file.
class TorchMeaning final : public PickleMeaning {
 public:
  explicit TorchMeaning(std::string where) : where_(std::move(where)) {}
  PickleValue global(std::string_view module, std::string_view name) const override;
  PickleValue call(const PickleValue& global, const PickleValue& arguments, const std::vector<PickleValue>& values) const override;
  PickleValue persistent(const PickleValue& id, const std::vector<PickleValue>& values) const override;

 private:
  PickleValue tensor(const PickleValue& arguments, const std::vector<PickleValue>& values) const;
  std::string where_;
};

struct TorchTensor {
  std::string name, storage;  ///< the storage's key in the container
  const TorchType* type = nullptr;
  std::int64_t storage_elements = 0;
  PickleTensor place;  ///< checked to lie inside of the storage, and to have no more elements than it
};

struct TorchContent {
  std::vector<TorchTensor> tensors;
  std::map<std::string, std::string> metadata;  ///< numbers and short texts that stand beside the tensors: "global_step"
};

/// The tensors of a state dict: the root's, or those of its "state_dict", or of its "string_to_param" (A1111's embeddings), or, where there are none,
/// of a "state_dict", "model" or "module" inside; beside a root's own
/// those of its "image_proj" and "ip_adapter" (IP-Adapters), whose names begin so. Throws bad_file when there is no such dict, a name stands twice in
/// it, or two tensors give one storage different sizes.
TorchContent read_torch_content(const Pickle& pickle, const std::string& where);

}  // namespace impasto
