// Compares the resize with OpenCV's, byte by byte.
#include "beit/image/resize_opencv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/io/safetensors.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "../testing.hpp"

namespace beit_test::resize_opencv_test {

using beit::Image;
using beit::ImageView;
using testing::HasSubstr;
using testing::ThrowsMessage;

const beit::SafeTensors& expected() {
  static const auto file = beit::SafeTensors::open(golden("segmentation") / "expected.safetensors");
  return file;
}

const std::uint8_t* bytes(const beit::Tensor& tensor) {
  return reinterpret_cast<const std::uint8_t*>(tensor.data.data());
}

ImageView photograph() {
  const beit::Tensor& stored = expected().tensors().at("photograph");
  return {bytes(stored), stored.shape[0], stored.shape[1]};
}

std::vector<std::uint8_t> values(const Image& image) { return {image.bytes().begin(), image.bytes().end()}; }

TEST(ResizeOpencv, HasOpencvsBytes) {
  for (const char* name : {"small", "large"}) {
    const beit::Tensor& wanted = expected().tensors().at(name);
    const Image found = beit::resize_opencv(photograph(), {wanted.shape[0], wanted.shape[1]});
    EXPECT_EQ(values(found), std::vector<std::uint8_t>(bytes(wanted), bytes(wanted) + wanted.size())) << name;
  }
}

TEST(ResizeOpencv, KeepsAnImageOfTheSameSize) {
  const ImageView image = photograph();
  EXPECT_EQ(values(beit::resize_opencv(image, {image.height, image.width})),
            std::vector<std::uint8_t>(image.data, image.data + 3 * image.height * image.width));
}

TEST(ResizeOpencv, TakesEveryLayoutOfPixels) {
  const std::uint8_t grey[]{0, 200, 100, 40}, bgra[]{3, 2, 1, 9, 6, 5, 4, 9};
  EXPECT_EQ(values(beit::resize_opencv({grey, 1, 2, 1}, {1, 2})), (std::vector<std::uint8_t>{0, 0, 0, 200, 200, 200}));
  EXPECT_EQ(values(beit::resize_opencv({bgra, 1, 2, 4, 0, beit::PixelOrder::bgr}, {1, 2})),
            (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(values(beit::resize_opencv({grey + 2, 2, 2, 1, -2}, {2, 2})),
            (std::vector<std::uint8_t>{100, 100, 100, 40, 40, 40, 0, 0, 0, 200, 200, 200}));
}

TEST(ResizeOpencv, ImpossibleSizesAreErrors) {
  EXPECT_THAT(
      [] {
        return beit::resize_opencv(photograph(), {0, 5});
      },
      ThrowsMessage<beit::ImageError>(HasSubstr("found a size of 0 x 5, wanted sides of 1 to")));
  EXPECT_THAT(
      [] {
        return beit::resize_opencv({nullptr, 2, 2}, {1, 1});
      },
      ThrowsMessage<beit::ImageError>(HasSubstr("found no pixels")));
}

}  // namespace beit_test::resize_opencv_test
