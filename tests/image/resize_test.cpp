#include <beit/image/resize.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "../levels.hpp"

namespace beit_test::resize_test {

using beit::Interpolation;
using beit::PassOrder;

std::vector<std::uint8_t> random_bytes(beit::Index count) {
  std::mt19937 generator(3);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(generator());
  return bytes;
}

std::vector<std::uint8_t> resize(const beit::ImageView& image, beit::Size size, beit::Window rows, beit::Window cols,
                                 Interpolation interpolation) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(rows.count * cols.count * 3));
  beit::resize_window(image, size, rows, cols, interpolation, out);
  return out;
}

std::vector<std::uint8_t> resize(const beit::ImageView& image, beit::Size size, Interpolation interpolation) {
  return resize(image, size, {0, size.height}, {0, size.width}, interpolation);
}

std::vector<std::uint8_t> resize_on(beit::Isa isa, const beit::ImageView& image, beit::Size size, beit::Window rows,
                                    beit::Window cols, Interpolation interpolation,
                                    PassOrder order = PassOrder::pillow_13) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(rows.count * cols.count * 3));
  beit::resize_window(image, size, rows, cols, interpolation, out, beit::kernels::kernels_of(isa), order);
  return out;
}

std::vector<std::uint8_t> resize_in_order(const beit::ImageView& image, beit::Size size, PassOrder order) {
  return resize_on(beit::default_kernels().isa, image, size, {0, size.height}, {0, size.width}, Interpolation::bicubic,
                   order);
}

TEST(Resize, AWindowIsThatPartOfTheWhole) {
  const std::vector<std::uint8_t> bytes = random_bytes(41 * 57 * 3);
  const beit::ImageView image{bytes.data(), 41, 57, 3};
  for (const Interpolation interpolation : beit::interpolations) {
    for (const beit::Size size : {beit::Size{13, 19}, {90, 11}, {41, 80}, {20, 57}, {41, 57}, {120, 130}, {5, 50}}) {
      const std::vector<std::uint8_t> whole = resize(image, size, interpolation);
      const beit::Window rows{size.height / 3, size.height / 2}, cols{size.width / 4, size.width / 3};
      const std::vector<std::uint8_t> part = resize(image, size, rows, cols, interpolation);
      for (beit::Index y = 0; y < rows.count; ++y) {
        const auto* wanted = whole.data() + ((rows.first + y) * size.width + cols.first) * 3;
        const auto* found = part.data() + y * cols.count * 3;
        ASSERT_TRUE(std::equal(found, found + cols.count * 3, wanted)) << size.height << " x " << size.width;
      }
    }
  }
}

TEST(Resize, ReadsAnyViewAsItsRgb) {
  constexpr beit::Index height = 12, width = 17, padding = 5;
  for (const beit::Index channels : {1, 2, 3, 4}) {
    const beit::Index stride = width * channels + padding;
    const std::vector<std::uint8_t> bytes = random_bytes(height * stride);
    std::vector<std::uint8_t> rgb;
    for (beit::Index y = 0; y < height; ++y) {
      for (beit::Index x = 0; x < width; ++x) {
        for (beit::Index c = 0; c < 3; ++c) {
          const beit::Index channel = channels >= 3 ? c : 0;
          rgb.push_back(bytes[static_cast<std::size_t>(y * stride + x * channels + channel)]);
        }
      }
    }
    const beit::ImageView view{bytes.data(), height, width, channels, stride};
    const beit::ImageView packed{rgb.data(), height, width, 3};
    for (const Interpolation interpolation : beit::interpolations) {
      for (const beit::Size size : {beit::Size{7, 30}, {12, 9}, {5, 17}, {12, 17}, {3, 15}}) {
        EXPECT_EQ(resize(view, size, interpolation), resize(packed, size, interpolation)) << channels << " channels";
      }
    }
  }
}

// OpenCV's pixels are those of an image whose red and blue are swapped.
TEST(Resize, ReadsBlueFirstAsASwappedCopy) {
  constexpr beit::Index height = 35, width = 37;
  for (const beit::Index channels : {1, 2, 3, 4}) {
    const std::vector<std::uint8_t> bytes = random_bytes(height * width * channels);
    std::vector<std::uint8_t> swapped = bytes;
    for (std::size_t i = 0; channels >= 3 && i < swapped.size(); i += static_cast<std::size_t>(channels)) {
      std::swap(swapped[i], swapped[i + 2]);
    }
    const beit::ImageView rgb{swapped.data(), height, width, channels};
    const beit::ImageView bgr{bytes.data(), height, width, channels, 0, beit::PixelOrder::bgr};
    for (const Interpolation interpolation : beit::interpolations) {
      for (const beit::Size size : {beit::Size{7, 30}, {height, 9}, {5, width}, {height, width}, {90, 90}}) {
        for (const beit::Isa isa : available_levels()) {
          const beit::Window rows{0, size.height}, cols{0, size.width};
          ASSERT_EQ(resize_on(isa, bgr, size, rows, cols, interpolation),
                    resize_on(isa, rgb, size, rows, cols, interpolation))
              << beit::isa_name(isa) << ", " << channels << " channels, " << beit::interpolation_name(interpolation);
        }
      }
    }
  }
}

TEST(Resize, ReadsAnImageThatIsStoredBottomUp) {
  const std::vector<std::uint8_t> bytes = random_bytes(3 * 2 * 3);
  const beit::ImageView bottom_up{bytes.data() + 2 * 6, 3, 2, 3, -6};
  const std::vector<std::uint8_t> found = resize(bottom_up, {3, 2}, Interpolation::bicubic);
  EXPECT_TRUE(std::equal(found.begin(), found.begin() + 6, bytes.begin() + 12));
  EXPECT_TRUE(std::equal(found.begin() + 12, found.end(), bytes.begin()));
}

TEST(Resize, KeepsAFlatColour) {
  const std::vector<std::uint8_t> bytes(31 * 29 * 3, 200);
  const beit::ImageView image{bytes.data(), 31, 29, 3};
  for (const Interpolation interpolation : beit::interpolations) {
    for (const std::uint8_t value : resize(image, {7, 70}, interpolation)) ASSERT_EQ(value, 200);
  }
}

// Pixels of only 0 and 255 give the largest sums and the most overshoot.
std::vector<std::uint8_t> extremes(beit::Index count) {
  std::vector<std::uint8_t> bytes = random_bytes(count);
  for (std::uint8_t& byte : bytes) byte = (byte & 1) != 0 ? 255 : 0;
  return bytes;
}

void expect_levels_agree(const beit::ImageView& image, beit::Size size, beit::Window rows, beit::Window cols) {
  PassOrder order = PassOrder::across_first;
  for (const Interpolation interpolation : beit::interpolations) {
    // One order per filter, which takes half the time of both.
    order = order == PassOrder::pillow_13 ? PassOrder::across_first : PassOrder::pillow_13;
    const auto wanted = resize_on(beit::Isa::portable, image, size, rows, cols, interpolation, order);
    for (const beit::Isa isa : available_levels()) {
      ASSERT_EQ(resize_on(isa, image, size, rows, cols, interpolation, order), wanted)
          << beit::isa_name(isa) << ", " << image.height << " x " << image.width << " x " << image.channels << " to "
          << size.height << " x " << size.width << ", " << beit::interpolation_name(interpolation) << ", "
          << beit::pass_order_name(order);
    }
  }
}

TEST(Resize, LevelsAgreeOnEveryShape) {
  const beit::Index sides[] = {1, 2, 3, 4, 5, 7, 16, 17, 33, 100};
  const std::vector<std::uint8_t> random = random_bytes(100 * 100 * 3), extreme = extremes(100 * 100 * 3);
  for (const beit::Index height : sides) {
    for (const beit::Index width : sides) {
      for (const beit::Size size : {beit::Size{1, 1}, {3, 5}, {16, 17}, {37, 23}, {height, 40}, {40, width}}) {
        for (const auto& bytes : {std::cref(random), std::cref(extreme)}) {
          const beit::ImageView image{bytes.get().data(), height, width, 3};
          expect_levels_agree(image, size, {0, size.height}, {0, size.width});
        }
      }
    }
  }
}

TEST(Resize, LevelsAgreeOnEveryNumberOfChannels) {
  // The image ends with the allocation, so that the address sanitizer sees a level that reads too far.
  for (const beit::Index channels : {1, 2, 3, 4}) {
    for (beit::Index width = 1; width < 40; ++width) {
      const std::vector<std::uint8_t> bytes = random_bytes(19 * width * channels);
      const beit::ImageView image{bytes.data(), 19, width, channels};
      expect_levels_agree(image, {9, 11}, {0, 9}, {0, 11});
      expect_levels_agree(image, {9, 45}, {2, 5}, {33, 12});
      const beit::ImageView bottom_up{bytes.data() + 18 * width * channels, 19, width, channels, -width * channels};
      expect_levels_agree(bottom_up, {20, 11}, {5, 15}, {3, 5});
    }
  }
}

TEST(Resize, LevelsAgreeOnLargeImages) {
  // The image is wider than a strip, and so is the filter.
  const std::vector<std::uint8_t> bytes = extremes(4000 * 70 * 3);
  for (const beit::Size size : {beit::Size{248, 330}, {64, 64}, {5, 3}, {70, 3000}}) {
    const beit::ImageView wide{bytes.data(), 70, 4000, 3}, tall{bytes.data(), 4000, 70, 3};
    expect_levels_agree(wide, size, {0, size.height}, {size.width / 5, size.width / 2});
    expect_levels_agree(tall, size, {size.height / 5, size.height / 2}, {0, size.width});
  }
}

TEST(Resize, LevelsAgreeOnEveryWidthOfAStack) {
  // Rows of 1 to 147 bytes are resized down in stacks of 48, and the last one ends with the allocation.
  for (beit::Index width = 1; width <= 49; ++width) {
    const std::vector<std::uint8_t> bytes = random_bytes(61 * width * 3);
    for (const beit::Index channels : {1, 3}) {
      expect_levels_agree({bytes.data() + bytes.size() - 61 * width * channels, 61, width, channels}, {3, width},
                          {0, channels}, {0, width});
    }
  }
}

// Pillow 13 goes down first if the height shrinks by more than twice as many pixels as the width.
TEST(Resize, GoesDownFirstWhereTheHeightShrinksFarMore) {
  struct Case {
    beit::Size from, to;
    bool down_first;
  };
  const Case cases[] = {{{100, 40}, {60, 21}, true},  {{100, 40}, {60, 20}, false},  {{100, 40}, {61, 21}, true},
                        {{100, 40}, {63, 21}, false}, {{100, 40}, {101, 70}, false}, {{100, 40}, {99, 70}, true},
                        {{40, 100}, {20, 50}, false}};
  const std::vector<std::uint8_t> bytes = random_bytes(100 * 100 * 3);
  for (const auto& [from, to, down_first] : cases) {
    const beit::ImageView image{bytes.data(), from.height, from.width, 3};
    // Two resizes of one side each go in the order in which they are called.
    const beit::Size half = down_first ? beit::Size{to.height, from.width} : beit::Size{from.height, to.width};
    const std::vector<std::uint8_t> between = resize_in_order(image, half, PassOrder::across_first);
    const beit::ImageView other{between.data(), half.height, half.width, 3};
    EXPECT_EQ(resize_in_order(image, to, PassOrder::pillow_13), resize_in_order(other, to, PassOrder::across_first))
        << from.height << " x " << from.width << " to " << to.height << " x " << to.width;
    EXPECT_EQ(resize_in_order(image, to, PassOrder::pillow_13) == resize_in_order(image, to, PassOrder::across_first),
              !down_first);
  }
}

TEST(Resize, NeedsNoMemoryForWhatIsNotShown) {
  if (sizeof(beit::Index) < 8) GTEST_SKIP() << "sides are shorter there";
  // The whole image would take 400 terabytes.
  const std::vector<std::uint8_t> bytes = random_bytes(5000 * 3);
  const beit::ImageView image{bytes.data(), 5000, 1, 3};
  const std::vector<std::uint8_t> found =
      resize(image, {2'000'000'000, 64'000}, {1'000'000'000, 2}, {32'000, 2}, Interpolation::bicubic);
  EXPECT_EQ(found.size(), 12u);
}

TEST(Resize, RefusesWhatCannotBe) {
  const std::vector<std::uint8_t> bytes(12);
  const beit::ImageView image{bytes.data(), 2, 2, 3};
  std::uint8_t out[12];
  const beit::Window two{0, 2};
  const auto bicubic = Interpolation::bicubic;
  EXPECT_THROW(beit::resize_window(image, {0, 2}, {0, 0}, two, bicubic, out), beit::ImageError);
  EXPECT_THROW(beit::resize_window(image, {2, beit::Index{1} << 31}, two, two, bicubic, out), beit::ImageError);
  EXPECT_THROW(beit::resize_window(image, {2, 2}, {1, 2}, two, bicubic, out), beit::ArgumentError);
  EXPECT_THROW(beit::resize_window(image, {2, 2}, two, {-1, 2}, bicubic, out), beit::ArgumentError);
  EXPECT_THROW(beit::resize_window({bytes.data(), 2, 2, 5}, {2, 2}, two, two, bicubic, out), beit::ImageError);
  EXPECT_THROW(beit::resize_window({bytes.data(), 2, 2, 3, 5}, {2, 2}, two, two, bicubic, out), beit::ImageError);
  EXPECT_THROW(beit::resize_window({nullptr, 2, 2, 3}, {2, 2}, two, two, bicubic, out), beit::ImageError);
  EXPECT_THROW(beit::resize_window({bytes.data(), 0, 2, 3}, {2, 2}, two, two, bicubic, out), beit::ImageError);
  EXPECT_THROW(beit::resize_window(image, {2, 2}, two, {0, 1}, bicubic, out), beit::ArgumentError);
  const std::span<std::uint8_t> none;
  EXPECT_THROW(beit::resize_window(image, {2, 2}, two, two, bicubic, none), beit::ArgumentError);
  EXPECT_NO_THROW(beit::resize_window(image, {2, 2}, two, {1, 0}, bicubic, none));
}

}  // namespace beit_test::resize_test
