#include <filesystem>
#include <limits>

#include <gtest/gtest.h>

#include "adapters/lora_maker.h"
#include "impasto/embedding.h"
#include "support/expect_error.h"
#include "support/golden.h"
#include "support/temporary_folder.h"

namespace impasto::test {
namespace {

const std::string kFolder = IMPASTO_TEST_DATA "/embeddings/";

TEST(EmbeddingFile, IsReadAsA1111AndDiffusersWriteIt) {
  const Embedding a1111 = read_embedding(kFolder + "inkwash.safetensors");
  EXPECT_EQ(a1111.names, std::vector<std::string>{"inkwash"});
  ASSERT_EQ(a1111.tensors.size(), 1u);
  EXPECT_EQ(a1111.tensors[0].name, "emb_params");
  EXPECT_EQ(a1111.tensors[0].vectors, 1);
  EXPECT_EQ(a1111.tensors[0].width, 32);
  EXPECT_EQ(a1111.tensors[0].values.size(), 32u);

  const Embedding diffusers = read_embedding(kFolder + "learned.safetensors");
  EXPECT_EQ(diffusers.names, (std::vector<std::string>{"learned", "<sea-light>"}));
  EXPECT_EQ(diffusers.tensors.at(0).vectors, 3);

  const Embedding one = read_embedding(kFolder + "single.bin");
  EXPECT_EQ(one.names, (std::vector<std::string>{"single", "<sea-light>"}));
  EXPECT_EQ(one.tensors.at(0).vectors, 1);
  EXPECT_EQ(one.tensors[0].values, (std::vector<float>{diffusers.tensors[0].values.begin(), diffusers.tensors[0].values.begin() + 32}));

  const Embedding old = read_embedding(kFolder + "bad-hands.pt");
  EXPECT_EQ(old.names, std::vector<std::string>{"bad-hands"}) << "\"*\" is no word";
  EXPECT_EQ(old.tensors.at(0).vectors, 2);
}

TEST(EmbeddingFile, MayHaveATensorForEachTextEncoder) {
  const TemporaryFolder folder;
  write_tensors(folder, "two.safetensors", {{"clip_l", {{2, 4}, std::vector<float>(8, 1)}}, {"clip_g", {{2, 6}, std::vector<float>(12, 2)}}});
  const Embedding both = read_embedding(folder / "two.safetensors");
  EXPECT_EQ(both.names, std::vector<std::string>{"two"});
  ASSERT_EQ(both.tensors.size(), 2u);
  EXPECT_EQ(both.tensors[0].width, 6);
  EXPECT_EQ(both.tensors[1].width, 4);
}

TEST(EmbeddingFile, RefusesWhatIsNone) {
  const TemporaryFolder folder;
  const std::string path = folder.path("x.safetensors");
  const auto refused = [&](const std::map<std::string, Values>& tensors, const std::string& part) {
    write_tensors(folder, "x.safetensors", tensors);
    EXPECT_ERROR(read_embedding(path), bad_file, "x.safetensors", part);
  };
  refused({}, "no tensor");
  refused({{"lora_up", {{4, 2}, std::vector<float>(8)}}, {"lora_down", {{2, 4}, std::vector<float>(8)}}}, "2 tensors, among them \"lora_down\"");
  refused({{"conv", {{1, 2, 2}, std::vector<float>(4)}}}, "[1, 2, 2]");
  refused({{"emb_params", {{76, 1}, std::vector<float>(76)}}}, "room for 75 vectors");
  refused({{"emb_params", {{1, 2}, {1, std::numeric_limits<float>::quiet_NaN()}}}}, "finite");
  EXPECT_ERROR(read_embedding(folder / "none.pt"), not_found, "none.pt");
  folder.write("text.pt", "an embedding");
  EXPECT_ERROR(read_embedding(folder / "text.pt"), bad_file, "text.pt");
}

}  // namespace
}  // namespace impasto::test
