#include <beit/image/image.hpp>

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

namespace beit_test::image_test {

TEST(Image, IsAViewOfItsPixels) {
  beit::Image image(2, 3);
  for (beit::Index i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(i);
  const beit::ImageView view = image;
  EXPECT_EQ(view.height, 2);
  EXPECT_EQ(view.width, 3);
  EXPECT_EQ(view.channels, 3);
  EXPECT_EQ(view.stride, 9);
  EXPECT_EQ(view.row(1)[2], 11);
}

TEST(Image, CopiesAndMoves) {
  beit::Image image(1, 1);
  image.data()[0] = 7;
  beit::Image copy = image;
  copy.data()[0] = 8;
  EXPECT_EQ(image.data()[0], 7);
  const beit::Image moved = std::move(copy);
  EXPECT_EQ(moved.data()[0], 8);
  EXPECT_EQ(copy.size(), 0);  // NOLINT: moved from on purpose
  image = moved;
  EXPECT_EQ(image.data()[0], 8);
}

TEST(Image, RefusesSizesThatCannotBe) {
  EXPECT_THROW(beit::Image(-1, 1), beit::ArgumentError);
  EXPECT_THROW(beit::Image(1, beit::detail::max_image_side + 1), beit::ArgumentError);
  EXPECT_EQ(beit::Image(0, 5).size(), 0);
}

TEST(ImageView, WithoutAStrideIsPacked) {
  const std::uint8_t bytes[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  const beit::ImageView view{bytes, 2, 2, 2};
  EXPECT_EQ(view.row(1)[0], 4);
}

}  // namespace beit_test::image_test
