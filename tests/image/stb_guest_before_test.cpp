// A program that includes its own stb_image, complete and static, before our header.
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#include <stb_image.h>

#include <beit/image/decode.hpp>

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "golden.hpp"

#if !defined(STB_IMAGE_STATIC) || !defined(STBI_ONLY_PNG) || !defined(STBI_NO_JPEG) || \
    !defined(STBI_INCLUDE_STB_IMAGE_H)
#error "a macro of the program's own is gone"
#endif

namespace {

TEST(StbGuestBefore, BothDecode) {
  const std::vector<std::uint8_t> bytes = beit_test::read_bytes(beit_test::image_path("portrait.png"));
  int width = 0, height = 0, channels = 0;
  stbi_uc* pixels = stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 3);
  ASSERT_NE(pixels, nullptr);
  const beit::Image ours = beit::decode_image(bytes.data(), bytes.size());
  EXPECT_EQ(std::memcmp(ours.data(), pixels, static_cast<std::size_t>(ours.size())), 0);
  stbi_image_free(pixels);
  // The guest chose to read only PNG; we didn't.
  EXPECT_NO_THROW(beit::read_image(beit_test::image_path("orientation_1.jpg")));
}

}  // namespace
