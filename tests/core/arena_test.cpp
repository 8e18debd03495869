#include <beit/core/arena.hpp>

#include <cstdint>
#include <limits>
#include <new>

#include <gtest/gtest.h>

namespace beit_test::arena_test {

using beit::Index;

// tests/nn/workspace_test.cpp has how frames nest and reuse memory.
TEST(Arena, GivesAlignedMemoryThatDoesNotOverlap) {
  beit::Arena arena;
  for (int round = 0; round < 3; ++round) {
    beit::Arena::Frame frame(arena);
    double* const doubles = frame.take<double>(3);
    std::uint8_t* const bytes = frame.take<std::uint8_t>(100);
    std::uint8_t* const none = frame.take<std::uint8_t>(0);
    Index* const numbers = frame.take<Index>(1000);
    for (const void* p : {static_cast<void*>(doubles), static_cast<void*>(bytes), static_cast<void*>(none),
                          static_cast<void*>(numbers)}) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0u);
    }
    doubles[0] = doubles[2] = 1.5;
    for (Index i = 0; i < 100; ++i) bytes[i] = static_cast<std::uint8_t>(i);
    for (Index i = 0; i < 1000; ++i) numbers[i] = -1;
    EXPECT_EQ(doubles[0] + doubles[2], 3.0);
    for (Index i = 0; i < 100; ++i) ASSERT_EQ(bytes[i], i);
  }
}

TEST(Arena, FindsTheSameMemoryAgain) {
  beit::Arena arena;
  const auto call = [&] {
    const beit::Arena::Frame frame(arena);
    beit::Arena::Frame inner(arena);
    std::byte* const first = inner.bytes(10'000);
    inner.bytes(100'000);
    return first;
  };
  call();  // takes two pieces, which become one at its end
  std::byte* const again = call();
  EXPECT_EQ(call(), again);
}

TEST(Arena, RefusesSizesThatOverflow) {
  constexpr Index most = std::numeric_limits<Index>::max();
  beit::Arena arena;
  {
    beit::Arena::Frame frame(arena);
    for (const Index size : {most, most - 1, most - 64, most / 2 + 1, Index{-1}}) {
      EXPECT_THROW(frame.bytes(size), std::bad_alloc) << size;
    }
    for (const Index count : {most / 8, most / 8 + 1, most / 4 + 1, most, Index{-1}}) {
      EXPECT_THROW(frame.take<double>(count), std::bad_alloc) << count;
    }
    frame.take<double>(100)[99] = 1.0;  // goes on as if nothing had happened
  }
  beit::Arena::Frame frame(arena);
  EXPECT_NE(frame.bytes(800), nullptr);
}

}  // namespace beit_test::arena_test
