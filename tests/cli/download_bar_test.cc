#include "cli/download_bar.h"

#include <gtest/gtest.h>

namespace impasto::cli {
namespace {

const DownloadProgress kHalf = {.files = 1, .total_files = 2, .bytes = 600'000'000, .total_bytes = 1'200'000'000};

TEST(DownloadBar, ALineHasBarAmountRateAndTime) {
  const std::string line = download_line("Downloading", kHalf, 60e6, 83);
  EXPECT_EQ(line.size(), 80u);
  EXPECT_EQ(line.substr(0, 14), "Downloading [=");
  EXPECT_TRUE(line.ends_with("] 600 MB/1.20 GB  60.0 MB/s  0:10 left")) << line;
}

TEST(DownloadBar, WhatDoesNotFitIsLeftOut) {
  for (int columns = 0; columns < 120; ++columns) EXPECT_LE(download_line("Downloading", kHalf, 60e6, columns).size(), std::max(columns - 3, 1));
  EXPECT_EQ(download_line("Downloading", kHalf, 60e6, 20), "600 MB/1.20 GB");
}

TEST(DownloadBar, WaitingIsSaid) {
  DownloadProgress p = kHalf;
  p.waiting = true;
  EXPECT_EQ(download_entry("Downloading", p, 60e6), "Downloading 50 %  600 MB/1.20 GB  waiting for another process");
}

TEST(DownloadBar, WithoutARateThereIsNoForecast) { EXPECT_EQ(download_entry("Verifying", kHalf, 0), "Verifying 50 %  600 MB/1.20 GB"); }

TEST(DownloadBar, OfNothingIsNoDivision) {
  EXPECT_EQ(download_entry("Downloading", {}, 0), "Downloading 0 %  0 bytes/0 bytes");
  EXPECT_EQ(download_line("Downloading", {}, 0, 80), "Downloading");
}

}  // namespace
}  // namespace impasto::cli
