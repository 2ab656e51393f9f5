// Every operation as the plain loop that its formula says: what the fast backends are tested against. Device name "reference".
#pragma once

#include <memory>

#include "backend/backend.h"

namespace impasto {

std::unique_ptr<Backend> make_reference_backend();

}  // namespace impasto
