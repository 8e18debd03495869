// Files that are written are read back, and an existing file stays when writing fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/io/safetensors.hpp>
#include <beit/io/safetensors_writer.hpp>
#include <map>
#include <string>
#include <vector>

#include "../testing.hpp"

namespace beit_test::safetensors_writer_test {

using beit::DType;
using beit::SafeTensors;
using beit::Tensor;
using testing::HasSubstr;

TEST(WriteSafeTensors, KeepsEveryTypeByteForByte) {
  const TemporaryFolder folder;
  const SafeTensors source = SafeTensors::open(golden("io_tensors.safetensors"));
  beit::write_safetensors(folder / "copy.safetensors", source.tensors(), source.metadata());
  const SafeTensors copy = SafeTensors::open(folder / "copy.safetensors");
  EXPECT_EQ(copy.metadata(), source.metadata());
  ASSERT_EQ(copy.tensors().size(), source.tensors().size());
  const std::string file = file_text(folder / "copy.safetensors");
  for (const auto& [name, tensor] : source.tensors()) {
    const Tensor& read = copy.tensors().at(name);
    EXPECT_EQ(read.dtype, tensor.dtype) << name;
    EXPECT_EQ(read.shape, tensor.shape) << name;
    EXPECT_TRUE(std::equal(read.data.begin(), read.data.end(), tensor.data.begin(), tensor.data.end())) << name;
  }
  beit::write_safetensors(folder / "again.safetensors", copy.tensors(), copy.metadata());
  EXPECT_EQ(file_text(folder / "again.safetensors"), file);
}

TEST(WriteSafeTensors, AlignsEveryTensor) {
  const TemporaryFolder folder;
  const std::string bytes(8, 'x');
  const std::map<std::string, Tensor> tensors{{"a", {DType::U8, {3}, as_bytes(bytes).first(3)}},
                                              {"b", {DType::F32, {1}, as_bytes(bytes).first(4)}},
                                              {"c", {DType::F64, {}, as_bytes(bytes)}}};
  beit::write_safetensors(folder / "t", tensors);
  const std::string file = file_text(folder / "t");
  const SafeTensors read = SafeTensors::from_memory(as_bytes(file), "t");
  EXPECT_TRUE(read.metadata().empty());
  const auto offset = [&](const char* name) {
    return reinterpret_cast<const char*>(read.tensors().at(name).data.data()) - file.data();
  };
  EXPECT_EQ(offset("c") % 8, 0);
  EXPECT_EQ(offset("b") - offset("c"), 8);
  EXPECT_EQ(offset("a") - offset("b"), 4);
}

TEST(WriteSafeTensors, RefusesWhatItCantWrite) {
  const TemporaryFolder folder;
  const std::string bytes(8, 'x');
  const auto write = [&](const std::string& name, std::vector<beit::Index> shape, const std::string& text = "t") {
    return message_of<beit::ArgumentError>([&] {
      beit::write_safetensors(folder / "t", {{name, {DType::F32, shape, as_bytes(bytes)}}}, {{"text", text}});
    });
  };
  EXPECT_THAT(write("a", {3}), HasSubstr("a: found 8 bytes, wanted F32 of shape (3,)"));
  EXPECT_THAT(write("__metadata__", {2}), HasSubstr("__metadata__"));
  EXPECT_THAT(write("a", {2}, "\xff"), HasSubstr("UTF-8"));
  EXPECT_EQ(folder.file_count(), 0);
  EXPECT_THAT(message_of<beit::FileError>([&] { beit::write_safetensors(folder / "no" / "t", {}); }), HasSubstr("no"));
}

}  // namespace beit_test::safetensors_writer_test
