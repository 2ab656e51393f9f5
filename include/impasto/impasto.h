// The whole public interface.
#pragma once

#include "impasto/benchmark.h"
#include "impasto/components.h"
#include "impasto/convert.h"
#include "impasto/embedding.h"
#include "impasto/error.h"
#include "impasto/hub.h"
#include "impasto/image.h"
#include "impasto/ip_adapter.h"
#include "impasto/lora.h"
#include "impasto/metadata.h"
#include "impasto/picture_components.h"
#include "impasto/pipeline.h"
#include "impasto/prompt_embeddings.h"
#include "impasto/wildcards.h"
