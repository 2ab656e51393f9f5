// Files that torch.save wrote, in every container, hold the tensors that torch put into them.
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "weights/make_torch.h"
#include "weights/reader.h"

namespace impasto {
namespace {

const std::string kData = IMPASTO_TEST_DATA "/torch/";

bool same_bytes(const void* a, const void* b, std::size_t count) {
  return count == 0 || std::memcmp(a, b, count) == 0;
}  // of no elements: may be null

class TorchFile : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchFile, HoldsWhatTorchPutIntoIt) {
  const auto file = open_weights_file(kData + GetParam());
  const auto expected = open_safetensors(kData + "expected.safetensors");
  EXPECT_EQ(file->names(), expected->names());
  for (const std::string& name : expected->names()) {
    if (name == "truth") continue;  // bool, which nobody computes with
    const TensorView want = expected->find(name), got = file->find(name);
    ASSERT_TRUE(got) << name;
    EXPECT_EQ(got.dtype, want.dtype) << name;
    EXPECT_EQ(got.shape, want.shape) << name;
    EXPECT_TRUE(same_bytes(got.data, want.data, want.bytes())) << name;
    std::vector<std::byte> read(want.bytes());
    file->read(name, read.data());
    EXPECT_TRUE(same_bytes(read.data(), want.data, want.bytes())) << name;
    for (std::size_t begin = 0; begin < want.bytes(); begin += 3) {
      const std::size_t count = std::min<std::size_t>(3, want.bytes() - begin);
      file->read_range(name, begin, count, read.data());
      EXPECT_EQ(std::memcmp(read.data(), want.as<std::byte>() + begin, count), 0) << name;
    }
  }
  EXPECT_ERROR(file->find("truth"), unsupported, "\"truth\" has dtype bool");
  const auto copy = copied_weights(*file);
  EXPECT_EQ(copy->names().size(), expected->names().size() - 1);
}

INSTANTIATE_TEST_SUITE_P(Containers, TorchFile, ::testing::Values("zip.ckpt", "legacy.ckpt", "protocol4.pt", "lightning.ckpt"), [](const auto& info) {
  const std::string name = info.param;
  return name.substr(0, name.find('.'));
});

TEST(TorchFiles, SayHowTheyAreStoredAndWhatStandsBesideTheTensors) {
  const auto zip = open_weights_file(kData + "zip.ckpt"), legacy = open_weights_file(kData + "legacy.ckpt");
  EXPECT_EQ(zip->format(), "PyTorch pickle (zip)");
  EXPECT_EQ(legacy->format(), "PyTorch pickle (legacy)");
  for (const auto& file : {zip, legacy}) {
    EXPECT_EQ(file->metadata().at("global_step"), "875000");
    EXPECT_EQ(file->metadata().at("pytorch-lightning_version"), "1.4.2");
  }
}

TEST(TorchFiles, FormatIsToldByContentWhateverTheNameIs) {
  const test::TemporaryFolder folder;
  for (const char* name : {"a.ckpt", "a.pt", "a.bin", "a.safetensors", "a.gguf", "a.SafeTensors", "a.json", "a"}) {
    std::filesystem::copy_file(kData + "zip.ckpt", folder / name, std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(open_weights_file(folder / name)->format(), "PyTorch pickle (zip)") << name;
    std::filesystem::copy_file(kData + "legacy.ckpt", folder / name, std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(open_weights_file(folder / name)->format(), "PyTorch pickle (legacy)") << name;
    std::filesystem::copy_file(kData + "expected.safetensors", folder / name, std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(open_weights_file(folder / name)->format(), "safetensors") << name;
    std::filesystem::copy_file(IMPASTO_TEST_DATA "/gguf/types.gguf", folder / name, std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(open_weights_file(folder / name)->format(), "GGUF") << name;
    folder.write(name, "<html>not found</html>");
    EXPECT_ERROR(open_weights_file(folder / name), bad_file, "is a page of the web");
  }
}

TEST(TorchFiles, TensorsInsideOfWrappersAreFound) {
  using namespace test::pickle;
  const test::TemporaryFolder folder;
  const std::string tensors = dict(text("a") + tensor(storage("0", 4), 0, {4}, {1}));
  const auto names = [&](const std::string& object) {
    return open_weights_file(folder.write("w", test::make_torch_zip(whole(object), {{"0", std::string(16, 'x')}})))->names();
  };
  const std::vector<std::string> one{"a"};
  EXPECT_EQ(names(tensors), one);
  for (const char* wrapper : {"state_dict", "model", "module"}) {
    EXPECT_EQ(names(dict(text(wrapper) + tensors)), one) << wrapper;
    EXPECT_EQ(names(dict(text("state_dict") + dict(text(wrapper) + tensors))), one) << wrapper;
  }
  EXPECT_EQ(names(dict(text("a") + tensor(storage("0", 4), 0, {4}, {1}) + text("model") + dict(""))), one);  // what has tensors is no wrapper
}

TEST(TorchFiles, SetsAndArraysBesideTheTensorsArePassedOver) {
  using namespace test::pickle;
  const test::TemporaryFolder folder;
  const std::string array = call(global("numpy.core.multiarray", "_reconstruct"), global("numpy", "ndarray") + tuple(integer(0)) + text("b")) +
                            tuple(integer(1) + tuple(integer(2)) + call(global("numpy", "dtype"), text("f4")) + "\x89" + text("bytes")) + "b";
  const std::string object =
      dict(text("a") + tensor(storage("0", 4), 0, {4}, {1}) + text("set") + call(global("__builtin__", "set"), list(text("x"))) + text("other set") +
           call(global("builtins", "set"), "]") + text("array") + array + text("device") + call(global("torch", "device"), text("cpu")));
  const auto file = open_weights_file(folder.write("w", test::make_torch_zip(whole(object), {{"0", std::string(16, 'x')}})));
  EXPECT_EQ(file->names(), std::vector<std::string>{"a"});
}

TEST(WeightsFiles, WhatIsNoneIsCalledByItsKindAndNotQuoted) {
  const test::TemporaryFolder folder;
  const auto open = [&](const std::string& bytes) { return open_weights_file(folder.write("w", bytes)); };
  EXPECT_ERROR(open("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), bad_file, "is a pointer of Git LFS", "git lfs pull");
  EXPECT_ERROR(open("<!DOCTYPE html><html>"), bad_file, "is a page of the web");
  EXPECT_ERROR(open("{\"error\": \"none\"}"), bad_file, "is JSON, not weights");
  EXPECT_ERROR(open("\x89PNG\r\n\x1a\n----"), bad_file, "is a picture (PNG)");
  EXPECT_ERROR(open("abc"), bad_file, "has 3 bytes, too few for a model's file");
  EXPECT_ERROR(open(std::string(64, '\1')), bad_file, "begins as no model's file does; supported are safetensors");
  try {
    open("root:secret:19000:0:99999:7:::\n");
    ADD_FAILURE() << "was taken for a model";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("is a text"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("root"), std::string::npos) << error.what();
  }
}

TEST(TorchFiles, CutAnywhereAreRefused) {
  const test::TemporaryFolder folder;
  for (const char* name : {"zip.ckpt", "legacy.ckpt"}) {
    const std::uintmax_t size = std::filesystem::file_size(kData + name);
    for (std::uintmax_t bytes = 0; bytes < size; bytes += 1 + bytes / 20) {
      std::filesystem::copy_file(kData + name, folder / "cut", std::filesystem::copy_options::overwrite_existing);
      std::filesystem::resize_file(folder / "cut", bytes);
      EXPECT_ERROR(open_weights_file(folder / "cut"), bad_file, "cut");
    }
  }
}

TEST(TorchFiles, AreAComponentsWeightsWhereThereAreNoSafetensors) {
  const test::TemporaryFolder folder;
  std::filesystem::copy_file(kData + "zip.ckpt", folder / "pytorch_model.fp16.bin");
  EXPECT_TRUE(open_weights(folder.path(), "model")->find("plain"));
  EXPECT_ERROR(open_weights(folder.path(), "diffusion_pytorch_model"), not_found, "diffusion_pytorch_model.bin");
  std::filesystem::copy_file(kData + "legacy.ckpt", folder / "diffusion_pytorch_model.bin");
  EXPECT_EQ(open_weights(folder.path(), "diffusion_pytorch_model")->format(), "PyTorch pickle (legacy)");
  std::filesystem::copy_file(kData + "expected.safetensors", folder / "diffusion_pytorch_model.fp16.safetensors");
  EXPECT_EQ(open_weights(folder.path(), "diffusion_pytorch_model")->format(), "safetensors");
}

}  // namespace
}  // namespace impasto
