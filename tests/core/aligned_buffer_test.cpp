#include <beit/core/aligned_buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace beit_test::aligned_buffer_test {

using beit::AlignedBuffer;
using beit::Index;

std::uintptr_t address(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

TEST(AlignedBuffer, BeginsOnACacheLine) {
  for (Index size = 1; size < 200; ++size) EXPECT_EQ(address(AlignedBuffer<char>(size).data()) % 64, 0u) << size;
}

TEST(AlignedBuffer, BeginsOnAHugePageThatItFills) {
  constexpr Index page = Index{1} << 21;
  for (const Index size : {page - 1, page, page + 1, 5 * page / 2}) {
    AlignedBuffer<std::uint8_t> buffer(size);
    EXPECT_EQ(address(buffer.data()) % (size < page ? 64 : 1 << 21), 0u) << size;
    buffer[0] = buffer[size - 1] = 1;
  }
}

TEST(AlignedBuffer, RefusesSizesThatOverflow) {
  for (const Index size : {Index{-1}, std::numeric_limits<Index>::max() / 4 + 1}) {
    EXPECT_THAT([&] { AlignedBuffer<float> buffer(size); },
                testing::ThrowsMessage<beit::ArgumentError>("AlignedBuffer: found " + std::to_string(size) +
                                                            " elements, wanted 0 or more that fit into memory"));
  }
}

TEST(AlignedBuffer, Moves) {
  AlignedBuffer<int> a(3), empty;
  a[2] = 7;
  const int* const data = a.data();
  AlignedBuffer<int> b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.size(), 0);  // NOLINT: a buffer that was moved from is empty
  empty = std::move(b);
  EXPECT_EQ(empty.size(), 3);
  EXPECT_EQ(empty[2], 7);
}

}  // namespace beit_test::aligned_buffer_test
