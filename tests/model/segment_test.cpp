// Compares label maps with both publishers' rules in double precision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <beit/model/load.hpp>
#include <beit/model/segment.hpp>
#include <beit/model/sliding_windows.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../random_weights.hpp"
#include "testing.hpp"

namespace beit_test::segment_test {

using beit::Index;
using beit::LabelMap;
using beit::Matrix;
using beit::SegmentationRule;
using testing::HasSubstr;
using testing::ThrowsMessage;

const beit::SegmentationModel<float>& model() {
  static const auto loaded = beit::load_segmentation_model<float>(golden("segmentation") / "model");
  return loaded;
}

const beit::SafeTensors& expected() {
  static const auto file = beit::SafeTensors::open(golden("segmentation") / "expected.safetensors");
  return file;
}

beit::ImageView photograph() {
  const beit::Tensor& stored = expected().tensors().at("photograph");
  return {reinterpret_cast<const std::uint8_t*>(stored.data.data()), stored.shape[0], stored.shape[1]};
}

class Rules : public testing::TestWithParam<SegmentationRule> {};

TEST_P(Rules, LabelsAreThoseOfDoublePrecision) {
  const beit::WeightReader reader(expected());
  const std::string name(segmentation_rule_name(GetParam()));
  const auto margins = reader.get(name + ".margin", reader.shape(name + ".margin"));
  const beit::Tensor& stored = expected().tensors().at(name + ".labels");
  std::vector<std::int32_t> wanted(static_cast<std::size_t>(stored.size()));
  std::memcpy(wanted.data(), stored.data.data(), stored.data.size());
  const LabelMap found = beit::segment(model(), photograph(), {.as = GetParam()});
  ASSERT_EQ(found.size, (beit::Size{photograph().height, photograph().width}));
  ASSERT_EQ(found.values.size(), wanted.size());
  constexpr float tolerance = 1e-4f;  // of logits whose deviation is above 1
  std::size_t compared = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (margins[static_cast<Index>(i)] <= tolerance) continue;
    ++compared;
    ASSERT_EQ(found.values[i], wanted[i]) << "pixel " << i;
  }
  EXPECT_GT(compared, wanted.size() * 99 / 100);

  beit::ThreadPool pool(3);
  beit::Workspace workspace(pool);
  EXPECT_EQ(beit::segment(model(), photograph(), {.as = GetParam()}, workspace).values, found.values);
}

INSTANTIATE_TEST_SUITE_P(, Rules, testing::ValuesIn(beit::segmentation_rules),
                         [](const auto& test) { return std::string(segmentation_rule_name(test.param)); });

TEST(Segment, FollowsTheModelsRule) {
  EXPECT_EQ(beit::segment(model(), photograph()).values,
            beit::segment(model(), photograph(), {.as = SegmentationRule::transformers}).values);
  EXPECT_NE(beit::segment(model(), photograph()).values,
            beit::segment(model(), photograph(), {.as = SegmentationRule::microsoft}).values);
}

TEST(Segment, IsALabelMapOfLogits) {
  beit::Workspace workspace;
  const Matrix logits = beit::segmentation_logits(model(), photograph(), workspace);
  EXPECT_EQ(logits.rows(), model().config().logits_size().area());
  const LabelMap map = beit::label_map(logits, model().config().logits_size(), {44, 71}, workspace);
  EXPECT_EQ(map.values, beit::segment(model(), photograph()).values);
  EXPECT_EQ(map(1, 2), map.values[73]);
}

TEST(Segment, TakesImagesOfAnySize) {
  std::vector<std::uint8_t> pixels(3 * 300 * 100, 7);
  for (std::size_t i = 0; i < pixels.size(); i += 5) pixels[i] = static_cast<std::uint8_t>(i % 251);
  for (const auto& [height, width] : {std::pair<Index, Index>(1, 1), {1, 4}, {100, 300}, {2, 3}, {33, 32}}) {
    for (const SegmentationRule rule : beit::segmentation_rules) {
      const LabelMap map = beit::segment(model(), {pixels.data(), height, width}, {.as = rule});
      EXPECT_EQ(map.size, (beit::Size{height, width}));
      EXPECT_EQ(map.values.size(), static_cast<std::size_t>(height * width));
    }
  }
  EXPECT_THAT(
      [&] {
        return beit::segment(model(), {pixels.data(), 10, 50}, {.as = SegmentationRule::microsoft});
      },
      ThrowsMessage<beit::ImageError>(HasSubstr("found 10 x 50 pixels, wanted at most four times as many")));
  EXPECT_THAT(
      [&] {
        return beit::segment(model(), {pixels.data(), 0, 50}, {.as = SegmentationRule::microsoft});
      },
      ThrowsMessage<beit::ImageError>(HasSubstr("at least 1 x 1 pixel")));
}

TEST(Segment, WindowsCoverASide) {
  using beit::detail::window_starts;
  EXPECT_EQ(window_starts(640, 640, 426), std::vector<Index>{0});
  EXPECT_EQ(window_starts(641, 640, 426), (std::vector<Index>{0, 1}));
  EXPECT_EQ(window_starts(1066, 640, 426), (std::vector<Index>{0, 426}));
  EXPECT_EQ(window_starts(2560, 640, 426), (std::vector<Index>{0, 426, 852, 1278, 1704, 1920}));
}

TEST(Segment, RescalesAsMmcv) {
  using beit::Size;
  using beit::detail::rescaled_size;
  EXPECT_EQ(rescaled_size({512, 683}, {640, 640}), (Size{640, 854}));
  EXPECT_EQ(rescaled_size({3000, 2000}, {640, 640}), (Size{960, 640}));
  EXPECT_EQ(rescaled_size({640, 2560}, {640, 640}), (Size{640, 2560}));
  EXPECT_THROW(rescaled_size({640, 2570}, {640, 640}), beit::ImageError);
}

TEST(LabelMap, TakesTheLowestOfEqualLogits) {
  beit::Workspace workspace;
  const LabelMap map = beit::label_map(Matrix(Eigen::MatrixXf::Constant(4, 3, 0.5f)), {2, 2}, {3, 5}, workspace);
  EXPECT_EQ(map.values, std::vector<std::uint16_t>(15, 0));
}

/// The logits of all classes at a pixel by the definition, in double precision: torch's interpolate without
/// align_corners.
std::vector<double> logits_at(const Matrix& logits, beit::Size from, beit::Size to, Index y, Index x) {
  const auto row = beit::detail::LinearTap::at(y, from.height, to.height);
  const auto column = beit::detail::LinearTap::at(x, from.width, to.width);
  const double below = static_cast<double>(row.weight), right = static_cast<double>(column.weight);
  std::vector<double> values;
  for (Index k = 0; k < logits.cols(); ++k) {
    const auto at = [&](Index i, Index j) { return static_cast<double>(logits(i * from.width + j, k)); };
    values.push_back((1 - below) * ((1 - right) * at(row.first, column.first) + right * at(row.first, column.second)) +
                     below * ((1 - right) * at(row.second, column.first) + right * at(row.second, column.second)));
  }
  return values;
}

TEST(LabelMap, IsTheArgmaxOfAllClassesAtEveryPixel) {
  beit::ThreadPool pool(3);
  beit::Workspace workspace(pool);
  for (const float step : {0.0f, 0.5f, 1e37f}) {  // with few values many are equal, or almost, between two pixels
    for (const auto& [from, to] : {std::pair{beit::Size{9, 7}, beit::Size{70, 61}},
                                   {{8, 8}, {8, 8}},
                                   {{8, 8}, {8, 40}},
                                   {{12, 20}, {5, 3}},
                                   {{1, 1}, {3, 4}},
                                   {{1, 6}, {9, 13}}}) {
      for (const Index classes : {1, 2, 19, 150}) {
        Matrix logits = numbers(RandomWeights(8), "logits", from.area(), classes);
        for (Index i = 0; step > 0 && i < logits.size(); ++i) {
          logits.data()[i] = step * std::round(10 * logits.data()[i]);
        }
        const double tolerance = 4e-7 * static_cast<double>(logits.map().cwiseAbs().maxCoeff());  // of four roundings
        const LabelMap map = beit::label_map(logits, from, to, workspace);
        for (Index y = 0; y < to.height; ++y) {
          for (Index x = 0; x < to.width; ++x) {
            const std::vector<double> values = logits_at(logits, from, to, y, x);
            const double best = *std::max_element(values.begin(), values.end());
            ASSERT_GE(values[map(y, x)], best - tolerance) << step << ' ' << classes << ' ' << y << ' ' << x;
          }
        }
      }
    }
  }
}

TEST(LabelMap, WrongLogitsAreErrors) {
  beit::Workspace workspace;
  Matrix logits(Eigen::MatrixXf::Constant(4, 3, 0.5f));
  EXPECT_THAT(
      [&] {
        return beit::label_map(logits, {2, 3}, {5, 5}, workspace);
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("found logits (4, 3) for 2x3 pixels and an image of 5x5")));
  EXPECT_THAT(
      [&] {
        return beit::label_map(logits, {2, 2}, {0, 5}, workspace);
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("an image of 0x5")));
  const Index huge = std::numeric_limits<Index>::max() / 2 + 1;  // times 2 or itself, it overflows
  EXPECT_THAT(
      [&] {
        return beit::label_map(logits, {2, 2}, {huge, huge}, workspace);
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("and sides of 1 to ")));
  EXPECT_THROW(static_cast<void>(beit::label_map(logits, {huge, 2}, {5, 5}, workspace)), beit::ArgumentError);
  logits(3, 1) = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(
      [&] {
        return beit::label_map(logits, {2, 2}, {5, 5}, workspace);
      },
      ThrowsMessage<beit::ArgumentError>(HasSubstr("logits: found nan at (3, 1), wanted finite numbers")));
}

}  // namespace beit_test::segment_test
