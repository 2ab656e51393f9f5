// What download() answers where the network may not be used.
#pragma once

#include "hub/environment.h"
#include "hub/reference.h"
#include "impasto/hub.h"

namespace impasto {

/// Of what the cache holds. Throws not_found, saying what forbids to fetch it, where that is nothing or not all.
DownloadedModel offline_download(const HubReference& reference, const DownloadOptions& options, const HubEnvironment& environment);

}  // namespace impasto
