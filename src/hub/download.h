// A model's way from the Hub into the cache.
#pragma once

#include "hub/environment.h"
#include "hub/reference.h"
#include "hub/retry.h"
#include "impasto/hub.h"

namespace impasto {

/// impasto::download() with its surroundings as arguments.
DownloadedModel download(const HubReference& reference, const DownloadOptions& options, const HubEnvironment& environment,
                         const RetryPolicy& policy = {});

}  // namespace impasto
