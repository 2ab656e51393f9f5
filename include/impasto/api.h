// Marks what the shared library exports.
#pragma once

#if defined(__GNUC__)
#define IMPASTO_API __attribute__((visibility("default")))
#else
#define IMPASTO_API
#endif
