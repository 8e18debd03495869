#include <beit/io/tensor.hpp>

#include <cstddef>
#include <set>
#include <string_view>

#include <gtest/gtest.h>

namespace beit_test::tensor_test {

using beit::DType;

TEST(DTypeTable, HasEachTypeAtItsPlace) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < beit::detail::dtypes.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(beit::detail::dtypes[i].dtype), i);
    EXPECT_TRUE(names.insert(beit::detail::dtypes[i].name).second);
  }
  EXPECT_EQ(static_cast<std::size_t>(DType::U64) + 1, beit::detail::dtypes.size());
}

TEST(DTypeTable, NamesTheSizes) {
  EXPECT_EQ(beit::dtype_name(DType::BF16), "BF16");
  EXPECT_EQ(beit::dtype_bits(DType::BF16), 16);
  EXPECT_EQ(beit::dtype_bits(DType::BOOL), 8);
  for (std::size_t i = 0; i < beit::detail::dtypes.size(); ++i) {
    // The number in a name is that of the bits, but for "BOOL".
    const auto dtype = static_cast<DType>(i);
    const std::string_view name = beit::dtype_name(dtype);
    const std::size_t digit = name.find_first_of("0123456789");
    if (digit == std::string_view::npos) continue;
    int number = 0;
    for (const char c : name.substr(digit)) {
      if (c < '0' || c > '9') break;
      number = number * 10 + (c - '0');
    }
    EXPECT_EQ(beit::dtype_bits(dtype), number) << name;
  }
}

TEST(Tensor, SizeIsTheProductOfTheShape) {
  EXPECT_EQ(beit::Tensor{}.size(), 1);
  EXPECT_EQ((beit::Tensor{.shape = {2, 3, 4}, .data = {}}.size()), 24);
  EXPECT_EQ((beit::Tensor{.shape = {2, 0, 4}, .data = {}}.size()), 0);
}

}  // namespace beit_test::tensor_test
