// A program that uses stb_image itself: declarations before our header, its implementation after, its own allocator.
#include <stb_image.h>

#define STBI_NO_GIF
#define STBI_MALLOC(size) guest_malloc(size)
#define STBI_REALLOC(memory, size) std::realloc(memory, size)
#define STBI_FREE(memory) std::free(memory)

#include <beit/image/decode.hpp>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "golden.hpp"

namespace {
int guest_allocations = 0;
void* guest_malloc(std::size_t size) {
  ++guest_allocations;
  return std::malloc(size);
}
}  // namespace

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

#if !defined(STBI_NO_GIF) || !defined(STBI_MALLOC) || !defined(STB_IMAGE_IMPLEMENTATION) || !defined(STBI_VERSION)
#error "a macro of the program's own is gone"
#endif

namespace {

TEST(StbGuest, DecodesWithItsOwnSettingsAndWeWithOurs) {
  const std::vector<std::uint8_t> bytes = beit_test::read_bytes(beit_test::image_path("landscape.png"));
  int width = 0, height = 0, channels = 0;
  guest_allocations = 0;
  stbi_uc* pixels = stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 3);
  ASSERT_NE(pixels, nullptr);
  const int allocations = guest_allocations;
  EXPECT_GT(allocations, 0);
  const beit::Image ours = beit::decode_image(bytes.data(), bytes.size());
  EXPECT_EQ(guest_allocations, allocations);
  ASSERT_EQ(ours.size(), beit::Index{3} * width * height);
  EXPECT_EQ(std::memcmp(ours.data(), pixels, static_cast<std::size_t>(ours.size())), 0);
  stbi_image_free(pixels);

  // The guest left out GIF, which doesn't affect us.
  const std::vector<std::uint8_t> gif = beit_test::read_bytes(beit_test::image_path("small.gif"));
  EXPECT_EQ(stbi_load_from_memory(gif.data(), static_cast<int>(gif.size()), &width, &height, &channels, 3), nullptr);
  EXPECT_EQ(beit::decode_image(gif.data(), gif.size()).width(), 14);
}

TEST(StbGuest, FlipsOnlyItsOwnImages) {
  const std::vector<std::uint8_t> bytes = beit_test::read_bytes(beit_test::image_path("landscape.png"));
  const beit::Image before = beit::decode_image(bytes.data(), bytes.size());
  stbi_set_flip_vertically_on_load(1);
  const beit::Image after = beit::decode_image(bytes.data(), bytes.size());
  stbi_set_flip_vertically_on_load(0);
  EXPECT_EQ(std::memcmp(before.data(), after.data(), static_cast<std::size_t>(before.size())), 0);
}

}  // namespace
