// Tests what is said about files that aren't safetensors, by their first bytes.
#include <beit/io/foreign_format.hpp>

#include <span>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::foreign_format_test {

using testing::HasSubstr;

std::string_view found(std::string_view text) {
  return beit::detail::foreign_format(std::as_bytes(std::span(text.data(), text.size())));
}

TEST(ForeignFormat, IsRecognised) {
  using namespace std::string_view_literals;
  EXPECT_THAT(found("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), HasSubstr("Git LFS"));
  EXPECT_THAT(found("GGUF\3\0\0\0"sv), HasSubstr("GGUF"));
  for (const std::string_view pickle : {"PK\3\4...."sv, "\x80\2...."sv, "\x80\4...."sv}) {
    EXPECT_THAT(found(pickle), HasSubstr("PyTorch"));
  }
  for (const std::string_view image : {"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR"sv, "\xFF\xD8\xFF\xE0\0\x10JFIF"sv}) {
    EXPECT_THAT(found(image), HasSubstr("an image"));
  }
  EXPECT_THAT(found("\x08\x07\x12\x07pytorch"sv), HasSubstr("ONNX"));
  for (const std::string_view page : {"<!DOCTYPE html>"sv, " \n<HTML lang=\"en\">"sv}) {
    EXPECT_THAT(found(page), HasSubstr("web page"));
  }
}

TEST(ForeignFormat, IsNotSeenInSafetensors) {
  using namespace std::string_view_literals;
  EXPECT_EQ(found(""), "");
  EXPECT_EQ(found("\x10\0\0\0\0\0\0\0{\"w\": {}}"sv), "");
  // Lengths of a header that begin as other formats do.
  for (const std::string_view start :
       {"PK\3\4\0\0\0\0{"sv, "\x08\x07\x12\0\0\0\0\0{"sv, "GGUF\0\0\0\0{"sv, "\x89PNG\0\0\0\0{"sv}) {
    EXPECT_EQ(found(start), "");
  }
  EXPECT_EQ(found("hello"), "") << "unknown: the reader says what is wrong";
}

}  // namespace beit_test::foreign_format_test
