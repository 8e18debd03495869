#include <beit/image/transform.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <beit/image/decode.hpp>

#include "../levels.hpp"
#include "golden.hpp"

namespace beit_test::transform_test {

using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<std::uint8_t> random_bytes(std::size_t count) {
  std::mt19937 generator(5);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(generator());
  return bytes;
}

// The golden file of each order was made by a version of Pillow that has it.
TEST(Preprocess, GivesTimmsTensorsBitForBit) {
  for (const beit::PassOrder order : beit::pass_orders) {
    std::ifstream list(image_path("preprocess_" + std::string(beit::pass_order_name(order)) + ".txt"));
    std::string name, crop_mode, interpolation;
    beit::Preprocessing config;
    config.pass_order = order;
    std::uint32_t crc = 0;
    int tensors = 0;
    while (list >> name >> config.input_size.height >> config.input_size.width >> config.crop_pct >> crop_mode >>
           interpolation >> config.mean[0] >> config.mean[1] >> config.mean[2] >> config.std[0] >> config.std[1] >>
           config.std[2] >> crc) {
      config.crop_mode = beit::crop_mode_from_name(crop_mode);
      config.interpolation = beit::interpolation_from_name(interpolation);
      std::vector<float> tensor(static_cast<std::size_t>(config.input_size.area() * 3));
      beit::preprocess(config, beit::read_image(image_path(name)), tensor);
      EXPECT_EQ(crc32(tensor.data(), tensor.size() * sizeof(float)), crc)
          << name << ' ' << config.input_size.height << " x " << config.input_size.width << ' ' << config.crop_pct
          << ' ' << crop_mode << ' ' << interpolation << ' ' << beit::pass_order_name(order);
      ++tensors;
    }
    EXPECT_GE(tensors, 300);
  }
}

TEST(Preprocess, NormalisesEveryByteAsTorchDoes) {
  std::vector<std::uint8_t> bytes(256);
  for (std::size_t i = 0; i < 256; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  beit::Preprocessing config;
  config.input_size = {16, 16};
  config.crop_pct = 1.0;
  config.mean = {0.485f, 0.456f, 0.406f};
  config.std = {0.229f, 0.224f, 0.225f};
  std::vector<float> found(3 * 256);
  beit::preprocess(config, {bytes.data(), 16, 16, 1}, found);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 256; ++i) {
      // torchvision: to_tensor's div(255), then normalize's sub_(mean) and div_(std), each rounded to float.
      const float scaled = static_cast<float>(i) / 255.0f;
      const float centred = scaled - config.mean[c];
      EXPECT_EQ(found[c * 256 + i], centred / config.std[c]);
    }
  }
}

TEST(Preprocess, FillsTheBorder) {
  const std::vector<std::uint8_t> bytes(8 * 4, 255);
  const beit::ImageView image{bytes.data(), 8, 4, 1};
  beit::Preprocessing config;
  config.input_size = {8, 8};
  config.crop_pct = 1.0;
  config.crop_mode = beit::CropMode::border;
  config.mean = {0.3f, 0.5f, 2.0f};
  config.std = {1.0f, 1.0f, 1.0f};
  std::vector<float> found(3 * 64);
  beit::preprocess(config, image, found);
  EXPECT_EQ(found[2], 1.0f - 0.3f);
  EXPECT_EQ(found[1], 76.0f / 255.0f - 0.3f);        // Python's round(255 * 0.3) is 76
  EXPECT_EQ(found[64 + 1], 128.0f / 255.0f - 0.5f);  // and round(127.5) is 128
  EXPECT_EQ(found[128 + 1], 1.0f - 2.0f);            // Pillow clips a colour to 255
}

TEST(Preprocess, RefusesValuesThatCannotBe) {
  const std::vector<std::uint8_t> bytes(12);
  const beit::ImageView image{bytes.data(), 2, 2, 3};
  std::vector<float> out(3 * 4 * 4);
  beit::Preprocessing good;
  good.input_size = {4, 4};
  ASSERT_NO_THROW(beit::preprocess(good, image, out));
  const auto expect_refused = [&](auto change, const char* text) {
    beit::Preprocessing config = good;
    change(config);
    EXPECT_THROW(beit::preprocess(config, image, out), beit::ConfigError) << text;
    EXPECT_THAT(message_of([&] { beit::preprocess(config, image, out); }), HasSubstr(text));
  };
  expect_refused([](auto& c) { c.crop_pct = 0.0; }, "crop_pct: found 0.0");
  expect_refused([](auto& c) { c.crop_pct = -1.0; }, "crop_pct: found -1.0");
  expect_refused([](auto& c) { c.crop_pct = std::numeric_limits<double>::quiet_NaN(); }, "crop_pct: found");
  expect_refused([](auto& c) { c.std[1] = 0.0f; }, "std: found 0.0");
  expect_refused([](auto& c) { c.std.pop_back(); }, "mean and std: found 3 and 2 values");
  expect_refused([](auto& c) { c.mean = c.std = {0.5f}; }, "mean and std: found 1 values each, wanted 3");
  expect_refused([](auto& c) { c.mean = c.std = {}; }, "mean and std: found 0 and 0 values");
  expect_refused([](auto& c) { c.mean[0] = std::numeric_limits<float>::infinity(); }, "mean: found inf");
  expect_refused([](auto& c) { c.input_size = {0, 4}; }, "input_size: found 0 x 4");
  EXPECT_THROW(beit::preprocess(good, {bytes.data(), 0, 2, 3}, out), beit::ImageError);
  out.pop_back();
  EXPECT_THAT(message_of([&] { beit::preprocess(good, image, out); }),
              HasSubstr("found room for 47 numbers, wanted 3 x 4 x 4"));
  out.push_back(0);

  // With a crop_pct so small or so large, no image can be made, unless resize_to replaces it.
  expect_refused([](auto& c) { c.crop_pct = 1e-300; }, "wanted more: images would be resized beyond any limit");
  expect_refused([](auto& c) { c.crop_pct = 5.0; }, "wanted less: images would be resized to nothing");
  beit::Preprocessing config = good;
  config.crop_pct = 5.0;
  config.resize_to = {4, 4};
  EXPECT_NO_THROW(beit::preprocess(config, image, out));
}

TEST(Preprocess, RefusesImagesThatPillowCannotResize) {
  const std::vector<std::uint8_t> bytes(1000);
  beit::Preprocessing config;
  config.input_size = {32, 32};
  config.crop_mode = beit::CropMode::border;
  std::vector<float> out(3 * 32 * 32);
  EXPECT_THAT(message_of([&] {
                beit::preprocess(config, {bytes.data(), 1000, 1, 1}, out);
              }),
              HasSubstr("found 1000 x 1 pixels to be resized to 35 x 0"));
}

TEST(Preprocess, TakesLongAndNarrowImages) {
  if (sizeof(beit::Index) < 8) GTEST_SKIP() << "sides are shorter there";
  const std::vector<std::uint8_t> bytes(5000, 255);
  beit::Preprocessing config;
  config.input_size = {224, 224};
  std::vector<float> out(3 * 224 * 224);
  beit::preprocess(config, {bytes.data(), 5000, 1, 1}, out);
  EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](float x) { return x == 1.0f; }));
}

TEST(Preprocess, GivesTheSameNumbersWithChannelsLastAndOnEveryLevel) {
  const std::vector<std::uint8_t> bytes = random_bytes(60 * 50 * 4);
  for (const beit::PixelOrder order : {beit::PixelOrder::rgb, beit::PixelOrder::bgr}) {
    const beit::ImageView image{bytes.data(), 60, 50, 4, 0, order};
    for (const beit::CropMode mode : beit::crop_modes) {
      for (const double crop_pct : {0.9, 1.3}) {
        beit::Preprocessing config{.input_size = {24, 32}, .crop_pct = crop_pct, .crop_mode = mode};
        config.mean = {0.1f, 0.5f, 0.7f};
        config.std = {0.2f, 0.3f, 0.4f};
        const std::size_t area = 24 * 32;
        std::vector<float> planes(3 * area), pixels(3 * area), other(3 * area);
        beit::preprocess(config, image, planes);
        beit::preprocess(config, image, pixels, beit::TensorLayout::channels_last);
        for (std::size_t i = 0; i < area; ++i) {
          for (std::size_t c = 0; c < 3; ++c) ASSERT_EQ(pixels[3 * i + c], planes[c * area + i]);
        }
        beit::Arena arena;
        for (const beit::Isa isa : available_levels()) {
          const beit::Kernels& kernels = beit::kernels::kernels_of(isa);
          beit::preprocess(config, image, other, beit::TensorLayout::channels_first, kernels, arena);
          ASSERT_EQ(other, planes) << beit::isa_name(isa);
        }
      }
    }
  }
}

TEST(Preprocess, TakesBlueFirstAsASwappedCopy) {
  const std::vector<std::uint8_t> bytes = random_bytes(20 * 30 * 3);
  std::vector<std::uint8_t> swapped = bytes;
  for (std::size_t i = 0; i < swapped.size(); i += 3) std::swap(swapped[i], swapped[i + 2]);
  beit::Preprocessing config{.input_size = {16, 16}};
  config.mean = {0.1f, 0.5f, 0.7f};
  std::vector<float> bgr(3 * 16 * 16), rgb(3 * 16 * 16);
  beit::preprocess(config, {bytes.data(), 20, 30, 3, 0, beit::PixelOrder::bgr}, bgr);
  beit::preprocess(config, {swapped.data(), 20, 30, 3}, rgb);
  EXPECT_EQ(bgr, rgb);
}

TEST(Names, AreTimms) {
  for (const beit::Interpolation interpolation : beit::interpolations) {
    EXPECT_EQ(beit::interpolation_from_name(beit::interpolation_name(interpolation)), interpolation);
  }
  for (const beit::CropMode mode : beit::crop_modes) {
    EXPECT_EQ(beit::crop_mode_from_name(beit::crop_mode_name(mode)), mode);
  }
  for (const beit::PassOrder order : beit::pass_orders) {
    EXPECT_EQ(beit::pass_order_from_name(beit::pass_order_name(order)), order);
  }
  EXPECT_EQ(beit::interpolation_from_name("lanczos"), beit::Interpolation::lanczos);
  EXPECT_EQ(beit::crop_mode_from_name("squash"), beit::CropMode::squash);
  EXPECT_THAT([] { beit::interpolation_from_name("cubic"); },
              ThrowsMessage<beit::ArgumentError>(
                  "interpolation: found 'cubic', wanted one of nearest, box, bilinear, hamming, bicubic, lanczos"));
  EXPECT_THAT([] { beit::crop_mode_from_name(""); },
              ThrowsMessage<beit::ArgumentError>("crop_mode: found '', wanted one of center, squash, border"));
  EXPECT_THAT([] { beit::pass_order_from_name("pillow"); },
              ThrowsMessage<beit::ArgumentError>("pass_order: found 'pillow', wanted one of pillow_13, across_first"));
}

}  // namespace beit_test::transform_test
