// Tests the view of OpenCV's images, if OpenCV is installed.
#include <beit/opencv.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "../testing.hpp"

namespace beit_test::opencv_test {

using testing::HasSubstr;
using testing::ThrowsMessage;

/// Whether a view shows the matrix's own pixels, with their colours in OpenCV's order.
void expect_same_pixels(const cv::Mat& image) {
  const beit::ImageView view = beit::view(image);
  ASSERT_EQ(view.height, image.rows);
  ASSERT_EQ(view.width, image.cols);
  ASSERT_EQ(view.channels, image.channels());
  const std::array<beit::Index, 3> colours = view.colours();
  for (int y = 0; y < image.rows; ++y) {
    EXPECT_EQ(view.row(y), image.ptr(y));
    for (int x = 0; x < image.cols; ++x) {
      const std::uint8_t* const pixel = view.row(y) + x * view.channels;
      if (image.channels() == 1) {
        EXPECT_EQ(pixel[colours[0]], image.at<std::uint8_t>(y, x));
      } else {
        for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(pixel[colours[c]], image.ptr(y, x)[2 - c]);
      }
    }
  }
}

TEST(OpenCv, ViewShowsTheMatrixItself) {
  for (const int type : {CV_8UC1, CV_8UC3, CV_8UC4}) {
    cv::Mat image(7, 5, type);
    cv::randu(image, 0, 256);
    expect_same_pixels(image);
    expect_same_pixels(image(cv::Rect(1, 2, 3, 4)));
    expect_same_pixels(image.row(3));
  }
}

TEST(OpenCv, OtherMatricesAreRefused) {
  const auto refusal_of = [](const cv::Mat& image, const std::string& text) {
    EXPECT_THAT([&] { std::ignore = beit::view(image); }, ThrowsMessage<beit::ImageError>(HasSubstr(text)));
  };
  refusal_of({}, "found an empty cv::Mat");
  refusal_of(cv::Mat(2, 2, CV_32FC3), "found a cv::Mat of CV_32FC3, wanted CV_8UC1 (grey), CV_8UC3 (BGR)");
  refusal_of(cv::Mat(2, 2, CV_16UC1), "found a cv::Mat of CV_16UC1");
  refusal_of(cv::Mat(2, 2, CV_8SC3), "found a cv::Mat of CV_8SC3");
  refusal_of(cv::Mat(2, 2, CV_8UC2), "found a cv::Mat of CV_8UC2");
  refusal_of(cv::Mat(2, 2, CV_8UC(5)), "found a cv::Mat of CV_8UC5");
  const std::array<int, 3> sizes{2, 3, 4};
  refusal_of(cv::Mat(3, sizes.data(), CV_8UC1), "found a cv::Mat of 3 dimensions");
}

}  // namespace beit_test::opencv_test
