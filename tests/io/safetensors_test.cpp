#include <beit/io/safetensors.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../testing.hpp"

namespace beit_test::safetensors_test {

using beit::DType;
using beit::Index;
using beit::SafeTensors;
using beit::Tensor;
using beit::WeightError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The error that opening these bytes gives.
std::string error_of(const std::string& text) {
  // An allocation of exactly this size, so that the address sanitizer sees a read behind its end.
  const std::unique_ptr<char[]> copy(new char[text.size()]);
  std::copy(text.begin(), text.end(), copy.get());
  return message_of<WeightError>([&] { (void)SafeTensors::from_memory(as_bytes({copy.get(), text.size()}), "m"); });
}
std::string error_of(const std::string& header, std::size_t data_size) {
  return error_of(safetensors_text(header, std::string(data_size, '\1')));
}
/// The error of a file with one tensor "a" of this dtype, shape and offsets, as JSON.
std::string entry_error(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return error_of(R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", 8);
}

TEST(SafeTensorsTest, NamesAndSizesOfTheFormatsTypes) {
  // From the list in the format's reference implementation.
  const std::vector<std::pair<std::string, int>> wanted = {
      {"BOOL", 8},        {"U8", 8},          {"I8", 8},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},
      {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F4", 4},    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"I16", 16},
      {"U16", 16},        {"F16", 16},        {"BF16", 16}, {"I32", 32},    {"U32", 32},    {"F32", 32},
      {"C64", 64},        {"F64", 64},        {"I64", 64},  {"U64", 64}};
  ASSERT_EQ(wanted.size(), beit::detail::dtypes.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(beit::detail::dtypes[i].dtype, dtype);
    EXPECT_EQ(beit::dtype_name(dtype), wanted[i].first);
    EXPECT_EQ(beit::dtype_bits(dtype), wanted[i].second);
    // 8 elements of b bits fill b bytes.
    const std::string bytes = std::to_string(wanted[i].second);
    const std::string text =
        safetensors_text(R"({"a":{"dtype":")" + wanted[i].first + R"(","shape":[8],"data_offsets":[0,)" + bytes + "]}}",
                         std::string(static_cast<std::size_t>(wanted[i].second), 'x'));
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    EXPECT_EQ(file.tensors().at("a").dtype, dtype);
  }
}

TEST(SafeTensorsTest, ReadsWhatPythonWrote) {
  const SafeTensors file = SafeTensors::open(golden("io_tensors.safetensors"));
  EXPECT_EQ(file.name(), golden("io_tensors.safetensors").string());
  EXPECT_THAT(file.metadata(), ElementsAre(std::pair("format", "pt"), std::pair("text",
                                                                                "\xC3\x9C"
                                                                                "bung \"1\"\n")));
  ASSERT_EQ(file.tensors().size(), 7U);
  const Tensor& f16 = file.tensors().at("block.f16");
  EXPECT_EQ(f16.dtype, DType::F16);
  EXPECT_THAT(f16.shape, ElementsAre(13, 100));
  EXPECT_EQ(f16.size(), 1300);
  EXPECT_EQ(f16.data.size(), 2600U);
  const Tensor& empty = file.tensors().at("empty");
  EXPECT_THAT(empty.shape, ElementsAre(0, 3));
  EXPECT_EQ(empty.size(), 0);
  EXPECT_TRUE(empty.data.empty());
  const Tensor& scalar = file.tensors().at("scalar");
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(scalar.size(), 1);
  float value = 0;
  std::memcpy(&value, scalar.data.data(), sizeof value);
  EXPECT_EQ(value, -2.5f);
  EXPECT_THAT(file.tensors().at("bool").data, ElementsAre(std::byte{1}, std::byte{0}, std::byte{1}));
}

TEST(SafeTensorsTest, MovingAndReleasingKeepTheData) {
  SafeTensors first = SafeTensors::open(golden("io_tensors.safetensors"));
  const std::byte* const address = first.tensors().at("scalar").data.data();
  const SafeTensors second = std::move(first);
  const Tensor& scalar = second.tensors().at("scalar");
  EXPECT_EQ(scalar.data.data(), address);
  for (const auto& [name, tensor] : second.tensors()) second.release(tensor);
  float value = 0;
  std::memcpy(&value, scalar.data.data(), sizeof value);
  EXPECT_EQ(value, -2.5f);
}

TEST(SafeTensorsTest, OrderOfTheHeaderAndPaddingDoNotMatter) {
  const std::string text = safetensors_text(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3],"extra":[1]},)"
                                            R"("b":{"data_offsets":[0,1],"shape":[],"dtype":"I8"},)"
                                            R"("e":{"dtype":"F64","shape":[3,0],"data_offsets":[3,3]}}  )",
                                            "xyz");
  const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
  EXPECT_THAT(file.tensors().at("a").data, ElementsAre(std::byte{'y'}, std::byte{'z'}));
  EXPECT_THAT(file.tensors().at("b").data, ElementsAre(std::byte{'x'}));
  EXPECT_EQ(file.tensors().at("e").size(), 0);
  file.release(file.tensors().at("a"));  // does nothing for a file in memory
}

TEST(SafeTensorsTest, NoTensors) {
  for (const std::string header : {"{}", " \t\r\n{}", R"({"__metadata__":null})"}) {
    const std::string text = safetensors_text(header);
    const SafeTensors file = SafeTensors::from_memory(as_bytes(text), "m");
    EXPECT_TRUE(file.tensors().empty() && file.metadata().empty()) << header;
  }
}

TEST(SafeTensorsTest, FileProblemsAreFileErrors) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<beit::FileError>([&] { (void)SafeTensors::open(folder / "none.safetensors"); }),
              StartsWith((folder / "none.safetensors").string() + ": found nothing there, wanted "));
  write_file(folder / "empty", "");
  EXPECT_EQ(message_of<WeightError>([&] { (void)SafeTensors::open(folder / "empty"); }),
            (folder / "empty").string() + ": found 0 bytes, wanted at least 8: not a safetensors file");
}

TEST(SafeTensorsTest, HeaderLength) {
  EXPECT_EQ(error_of(std::string(7, '\1')), "m: found 7 bytes, wanted at least 8: not a safetensors file");
  EXPECT_EQ(error_of(safetensors_text("", "")), "m: header length is 0, wanted at least 2: not a safetensors file");
  EXPECT_EQ(error_of(safetensors_text("{}", "", 100'000'001)),
            "m: header length is 100000001, wanted at most 100000000: not a safetensors file");
  EXPECT_EQ(error_of(safetensors_text("{}", "", ~std::uint64_t{0})),
            "m: header length is 18446744073709551615, wanted at most 100000000: not a safetensors file");
  EXPECT_EQ(error_of(safetensors_text("{}", "", 100'000'000)),
            "m: file ends inside its header: found 10 bytes, wanted at least 100000008 (a truncated download?)");
  EXPECT_EQ(error_of(safetensors_text("{}", "", 3)),
            "m: file ends inside its header: found 10 bytes, wanted at least 11 (a truncated download?)");
}

// Metadata may be as long as the format's limit allows, whatever the data.
TEST(SafeTensorsTest, LongMetadata) {
  const std::string value(12'000'000, 'y');
  const std::string text = safetensors_text(R"({"__metadata__":{"x":")" + value + R"("}})");
  EXPECT_EQ(SafeTensors::from_memory(as_bytes(text), "m").metadata().at("x"), value);
}

/// An object's members "0":VALUE to "N-1":VALUE.
std::string members(int count, const std::string& value) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":" + value;
  return text;
}

TEST(SafeTensorsTest, HeaderHasNoMoreNamesThanTheTensorsThereCanBeNeed) {
  // The limit is 4096, and 4 per byte of data; nothing after the first name too many is read.
  const std::string refusal = "m: header has more than 4096 names, which is too many for 0 bytes of tensor data";
  EXPECT_EQ(error_of(R"({"__metadata__":{)" + members(4096, "\"\"") + "\xFF", 0), refusal);
  EXPECT_EQ(error_of(R"({"a":{"extra":{)" + members(4095, "0") + "\xFF", 0), refusal);
  EXPECT_EQ(error_of("{" + members(1025, R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})"), 0), refusal);
  EXPECT_EQ(error_of(R"({"__metadata__":{)" + members(4100, "\"\"") + "\xFF", 1),
            "m: header has more than 4100 names, which is too many for 1 byte of tensor data");

  const std::string most = safetensors_text(R"({"__metadata__":{)" + members(4095, "\"\"") + "}}");
  EXPECT_EQ(SafeTensors::from_memory(as_bytes(most), "m").metadata().size(), 4095U);
  const std::string tensors =
      safetensors_text("{" + members(1024, R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})") + "}");
  EXPECT_EQ(SafeTensors::from_memory(as_bytes(tensors), "m").tensors().size(), 1024U);
}

TEST(SafeTensorsTest, HeaderIsNoJsonObject) {
  EXPECT_EQ(error_of("[]", 0), "m: header doesn't begin with '{': not a safetensors file");
  EXPECT_EQ(error_of(" \n[]", 0), "m: header doesn't begin with '{': not a safetensors file");
  EXPECT_EQ(error_of("  ", 0), "m: header doesn't begin with '{': not a safetensors file");
  EXPECT_EQ(error_of("\xEF\xBB\xBF{}", 0), "m: header doesn't begin with '{': not a safetensors file");
  EXPECT_THAT(error_of("{\"a\":", 0), StartsWith("m: header: not valid JSON: parse error at line 1, column 6"));
  EXPECT_THAT(error_of("{}x", 0), StartsWith("m: header: not valid JSON: "));
  EXPECT_EQ(error_of(std::string("{}\0x", 4), 0), "m: header: not valid JSON: NUL byte at offset 2");
}

TEST(SafeTensorsTest, InvalidUtf8) {
  for (const char* const bytes : {"\xFF", "\xC3", "\xED\xA0\x80", "\xC0\xAF", "\xF4\x90\x80\x80"}) {
    EXPECT_THAT(error_of("{\"" + std::string(bytes) + "\":1}", 0), HasSubstr("ill-formed UTF-8"));
  }
}

TEST(SafeTensorsTest, DuplicateNames) {
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(error_of("{\"a\":" + entry + ",\"a\":" + entry + "}", 1),
            "m: header: name \"a\" appears twice in one JSON object");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1),
            "m: header: name \"shape\" appears twice in one JSON object");
  EXPECT_EQ(error_of(R"({"__metadata__":{"k":"1","k":"2"}})", 0),
            "m: header: name \"k\" appears twice in one JSON object");
}

TEST(SafeTensorsTest, DeepNesting) {
  const std::string deep = "{\"a\":" + std::string(5'000'000, '[');
  EXPECT_EQ(error_of(deep, 0), "m: header: JSON nested deeper than 64 levels");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(error_of(objects, 0), "m: header: JSON nested deeper than 64 levels");
}

TEST(SafeTensorsTest, Metadata) {
  EXPECT_EQ(error_of(R"({"__metadata__":[]})", 0), "m: __metadata__: found array, wanted object of strings");
  EXPECT_EQ(error_of(R"({"a":null})", 0), "m: a: found null, wanted object with dtype, shape, data_offsets");
  EXPECT_EQ(error_of(R"({"__metadata__":"k"})", 0), "m: __metadata__: found string, wanted object of strings");
  EXPECT_EQ(error_of(R"({"__metadata__":{"k":1}})", 0), "m: __metadata__: \"k\" is number, wanted string");
  EXPECT_EQ(error_of(R"({"__metadata__":{"k":{"l":"1"}}})", 0), "m: __metadata__: \"k\" is object, wanted string");
  EXPECT_EQ(error_of(R"({"__metadata__":{"k":["1"]}})", 0), "m: __metadata__: \"k\" is array, wanted string");
}

TEST(SafeTensorsTest, Entry) {
  EXPECT_EQ(error_of(R"({"a":3})", 0), "m: a: found number, wanted object with dtype, shape, data_offsets");
  EXPECT_EQ(error_of(R"({"a":["dtype",{"dtype":"U8"}]})", 0),
            "m: a: found array, wanted object with dtype, shape, data_offsets");
  EXPECT_EQ(error_of(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), "m: a: dtype is missing");
  EXPECT_EQ(error_of(R"({"a":{"x":{"dtype":"U8"},"shape":[1],"data_offsets":[0,1]}})", 1), "m: a: dtype is missing");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "m: a: shape is missing");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "m: a: data_offsets is missing");
  EXPECT_EQ(entry_error("7", "[8]", "[0,8]"), "m: a: dtype is number, wanted string");
  EXPECT_EQ(entry_error("[\"U8\"]", "[8]", "[0,8]"), "m: a: dtype is array, wanted string");
  EXPECT_EQ(entry_error("{}", "[8]", "[0,8]"), "m: a: dtype is object, wanted string");
  EXPECT_EQ(entry_error("\"f32\"", "[8]", "[0,8]"), "m: a: unknown dtype \"f32\"");
  EXPECT_EQ(error_of(R"({"x\ny":{}})", 0), "m: x?y: dtype is missing");
}

TEST(SafeTensorsTest, Shape) {
  const auto message = [](const std::string& found) {
    return "m: a: shape is " + found + ", wanted array of non-negative integers";
  };
  for (const std::string shape : {"8", "\"8\"", "[-8]", "[8.0]", "[8,null]", "[[8]]", "{}", "[true]",
                                  R"({"a":[8,{"\"":{}}],"b":[]})", R"(["[",8,[[],8]])"}) {
    EXPECT_EQ(entry_error("\"U8\"", shape, "[0,8]"), message(shape));
  }
  EXPECT_EQ(entry_error("\"U8\"", "[9223372036854775808]", "[0,8]"), message("[9223372036854775808]"));
  EXPECT_THAT(entry_error("\"U8\"", "[18446744073709551616]", "[0,8]"), HasSubstr("wanted array of non-negative"));
  EXPECT_EQ(entry_error("\"U8\"", std::string(100, '['), "0"), "m: header: JSON nested deeper than 64 levels");
  EXPECT_EQ(
      entry_error("\"U8\"", R"([8,"a text that is longer than what a message shows of a value, by far"])", "[0,8]"),
      message(R"([8,"a text that is longer than what a message shows of a val...)"));
}

TEST(SafeTensorsTest, Rank) {
  std::string ones = "[8";
  for (int i = 1; i < 64; ++i) ones += ",1";
  const std::string text =
      safetensors_text(R"({"a":{"dtype":"U8","shape":)" + ones + R"(],"data_offsets":[0,8]}})", "01234567");
  EXPECT_EQ(SafeTensors::from_memory(as_bytes(text), "m").tensors().at("a").shape.size(), 64U);
  EXPECT_EQ(entry_error("\"U8\"", ones + ",1]", "[0,8]"),
            "m: a: shape is " + ones.substr(0, 60) + "..., wanted at most 64 numbers");
  EXPECT_EQ(entry_error("\"U8\"", "[8]", ones + ",1,\xFF"),  // nothing behind it is read
            "m: a: data_offsets is " + ones.substr(0, 60) + "..., wanted at most 64 numbers");
}

TEST(SafeTensorsTest, ElementCountOverflow) {
  if (sizeof(beit::Index) < 8) GTEST_SKIP() << "numbers that no Index holds are refused before they are multiplied";
  EXPECT_EQ(entry_error("\"U8\"", "[4294967296,4294967296]", "[0,8]"),
            "m: a: shape (4294967296, 4294967296) overflows");
  EXPECT_EQ(entry_error("\"F64\"", "[1152921504606846976,1]", "[0,8]"),
            "m: a: shape that begins with (1152921504606846976,) overflows");
  // Eight times 2^61 bytes is 2^64, which wraps to zero.
  EXPECT_THAT(entry_error("\"F64\"", "[2305843009213693952]", "[0,0]"), HasSubstr("overflows"));
  EXPECT_THAT(entry_error("\"U8\"", "[0,4294967296,4294967296]", "[0,0]"), HasSubstr("overflows"));
}

TEST(SafeTensorsTest, DataOffsets) {
  const auto message = [](const std::string& found) {
    return "m: a: data_offsets are " + found + ", wanted two non-negative integers";
  };
  for (const std::string offsets :
       {"8", "[0]", "[0,8,8]", "[-1,8]", "[0,8.0]", "[0,\"8\"]", "{}", "null", "[0,9223372036854775808]"}) {
    EXPECT_EQ(entry_error("\"U8\"", "[8]", offsets), message(offsets));
  }
  EXPECT_EQ(entry_error("\"U8\"", "[8]", "[8,0]"), "m: a: data_offsets [8,0] end before they begin");
  EXPECT_EQ(entry_error("\"U8\"", "[7]", "[0,8]"),
            "m: a: data_offsets [0,8] hold 8 bytes, wanted 7 for U8 of shape (7,)");
  EXPECT_EQ(entry_error("\"F32\"", "[]", "[0,8]"),
            "m: a: data_offsets [0,8] hold 8 bytes, wanted 4 for F32 of shape ()");
  EXPECT_EQ(entry_error("\"F4\"", "[15]", "[0,8]"), "m: a: shape (15,) of F4 doesn't fill whole bytes");
  EXPECT_EQ(entry_error("\"U8\"", "[8]", "[100,108]"),
            "m: a: data_offsets [100, 108] reach beyond the file's data of 8 bytes");
}

TEST(SafeTensorsTest, LengthOfTheData) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(error_of(header, 7),
            "m: file is shorter than its header says: found 7 bytes of tensor data, wanted 8 (a truncated download?)");
  EXPECT_EQ(error_of(header, 0),
            "m: file is shorter than its header says: found 0 bytes of tensor data, wanted 8 (a truncated download?)");
  EXPECT_EQ(error_of(header, 9), "m: file is longer than its header says: found 9 bytes of tensor data, wanted 8");
  EXPECT_EQ(error_of("{}", 1), "m: file is longer than its header says: found 1 byte of tensor data, wanted 0");
}

std::string two_entries(const std::string& a, const std::string& b, std::size_t data_size, int a_size, int b_size) {
  return error_of(R"({"a":{"dtype":"U8","shape":[)" + std::to_string(a_size) + R"(],"data_offsets":)" + a +
                      R"(},"b":{"dtype":"U8","shape":[)" + std::to_string(b_size) + R"(],"data_offsets":)" + b + "}}",
                  data_size);
}

TEST(SafeTensorsTest, Overlaps) {
  EXPECT_EQ(two_entries("[0,4]", "[2,6]", 6, 4, 4), "m: b: data_offsets [2, 6] overlap those of a, which end at 4");
  EXPECT_EQ(two_entries("[0,4]", "[0,4]", 4, 4, 4), "m: b: data_offsets [0, 4] overlap those of a, which end at 4");
  EXPECT_EQ(two_entries("[1,3]", "[0,4]", 4, 2, 4), "m: a: data_offsets [1, 3] overlap those of b, which end at 4");
  // A tensor without bytes inside another one is an error in the format's reference implementation, too.
  EXPECT_EQ(two_entries("[2,2]", "[0,4]", 4, 0, 4), "m: a: data_offsets [2, 2] overlap those of b, which end at 4");
}

TEST(SafeTensorsTest, Holes) {
  EXPECT_EQ(two_entries("[0,2]", "[4,6]", 6, 2, 2), "m: hole in the data: bytes [2, 4] before b belong to no tensor");
  EXPECT_EQ(two_entries("[1,2]", "[2,6]", 6, 1, 4), "m: hole in the data: bytes [0, 1] before a belong to no tensor");
}

/// Every mutation of a small file opens or is a WeightError; whatever else is thrown ends the test.
TEST(SafeTensorsTest, MutationsAreReadOrRefused) {
  const std::string header = R"({"__metadata__":{"format":"pt"},"a.w":{"dtype":"F32","shape":[2,3],)"
                             R"("data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
                             R"("e":{"dtype":"I64","shape":[0,3],"data_offsets":[32,32]}})";
  const std::string data(32, '\x3C');
  const std::vector<std::string> numbers = {"0",
                                            "1",
                                            "-1",
                                            "2",
                                            "3",
                                            "4",
                                            "8",
                                            "24",
                                            "32",
                                            "33",
                                            "40",
                                            "1e3",
                                            "0.5",
                                            "4294967296",
                                            "2147483648",
                                            "4611686018427387904",
                                            "9223372036854775807",
                                            "9223372036854775808",
                                            "18446744073709551615",
                                            "18446744073709551616",
                                            "1e999",
                                            "null",
                                            "[]",
                                            "\"1\""};
  std::mt19937 random(12345);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };

  const auto mutate = [&](std::string& text) {
    const std::size_t at = below(text.size());
    switch (below(5)) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        text.insert(at, 1, below(2) == 0 ? "{}[]\":,0\\ \0"[below(12)] : static_cast<char>(below(256)));
        break;
      case 2:
        text.erase(at, 1 + below(4));
        break;
      case 3:
        if (below(8) == 0) text.resize(at);
        break;
      default: {
        const std::size_t first = text.find_first_of("0123456789", at);
        if (first == std::string::npos) return;
        const std::size_t last = std::min(text.find_first_not_of("0123456789", first), text.size());
        text.replace(first, last - first, numbers[below(numbers.size())]);
      }
    }
  };

  int opened = 0, refused = 0;
  constexpr int count = 2000;  // tests/fuzz makes many more
  for (int i = 0; i < count; ++i) {
    std::string text = header;
    for (std::size_t n = 1 + below(3); n > 0 && !text.empty(); --n) mutate(text);
    const std::size_t kept = below(20) == 0 ? below(data.size()) : data.size();
    // The length mostly fits the mutated header, so that later checks are reached.
    const std::uint64_t length = below(20) == 0   ? (std::uint64_t{random()} << 32 | random()) >> below(64)
                                 : below(10) == 0 ? header.size()
                                                  : text.size();
    text = safetensors_text(text, data.substr(0, kept), length);
    const std::unique_ptr<char[]> copy(new char[text.size()]);  // exactly sized, for the address sanitizer
    std::copy(text.begin(), text.end(), copy.get());
    try {
      const SafeTensors file = SafeTensors::from_memory(as_bytes({copy.get(), text.size()}), "m");
      unsigned sum = 0, size = 0;
      for (const auto& [name, tensor] : file.tensors()) {
        for (const std::byte value : tensor.data) sum += std::to_integer<unsigned>(value);
        size += static_cast<unsigned>(tensor.data.size());
      }
      // The tensors' bytes are the file's data and nothing else.
      ASSERT_LE(size, data.size());
      ASSERT_EQ(sum, size * 0x3C);
      ++opened;
    } catch (const WeightError& error) {
      ASSERT_THAT(error.what(), StartsWith("m: "));
      ++refused;
    }
  }
  EXPECT_EQ(opened + refused, count);
  EXPECT_GT(opened, count / 100);  // mutated names and metadata are fine
  EXPECT_GT(refused, count / 2);
}

}  // namespace beit_test::safetensors_test
