// Shows an image of OpenCV to the library. Not part of beit.hpp: include it beside, in programs that have OpenCV.
#pragma once

#include <string>

#include <opencv2/core/mat.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/image.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// OpenCV's name of a matrix's type: "CV_32FC3".
BEIT_COLD inline std::string opencv_type(const cv::Mat& image) {
  static constexpr const char* depths[] = {"8U", "8S", "16U", "16S", "32S", "32F", "64F", "16F"};
  return concat({"CV_", depths[image.depth()], "C", image.channels()});
}

}  // namespace detail

/// Returns a view of an image of OpenCV: grey, BGR as cv::imread and cv::VideoCapture give it, or BGRA. The pixels
/// aren't copied: the view is valid as long as they are. Regions of interest and padded rows are read in place.
/// ImageError unless the matrix is a CV_8UC1, CV_8UC3 or CV_8UC4 of two dimensions with at least one pixel. An image
/// that has been turned into RGB (cv::COLOR_BGR2RGB) needs `view(image).order = PixelOrder::rgb`.
[[nodiscard]] inline ImageView view(const cv::Mat& image) {
  if (image.empty()) throw ImageError("view: found an empty cv::Mat, wanted an image: OpenCV couldn't read it");
  if (image.dims != 2) {
    throw ImageError(detail::concat({"view: found a cv::Mat of ", image.dims, " dimensions, wanted 2"}));
  }
  if (image.depth() != CV_8U || (image.channels() != 1 && image.channels() != 3 && image.channels() != 4)) {
    throw ImageError(detail::concat({"view: found a cv::Mat of ", detail::opencv_type(image),
                                     ", wanted CV_8UC1 (grey), CV_8UC3 (BGR) or CV_8UC4 (BGRA): cv::Mat::convertTo "
                                     "scales other types to 8 bits"}));
  }
  return {image.data, image.rows, image.cols, image.channels(), static_cast<Index>(image.step[0]), PixelOrder::bgr};
}

}  // namespace beit::inline BEIT_ABI
