// ggml's file format.
#pragma once

#include "weights/byte_source.h"
#include "weights/file_weights.h"

namespace impasto {

/// Versions 2 and 3. Every length is held against the bytes that are left before anything is allocated; tensors must not overlap. Throws bad_file,
/// unsupported.
FileContent read_gguf(const ByteSource& source);

}  // namespace impasto
