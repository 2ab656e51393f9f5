// What torch.save writes.
#pragma once

#include "weights/byte_source.h"
#include "weights/file_weights.h"
#include "weights/torch_pickle.h"

namespace impasto {

/// A zip archive, as PyTorch writes since 1.6. Throws bad_file, unsupported.
FileContent read_torch_zip(const ByteSource& source);

/// Pickles (a magic number, a version, the machine, the state dict, the storages' keys) and the storages, one after the other, as before. Throws
/// likewise.
FileContent read_torch_legacy(const ByteSource& source);

}  // namespace impasto
