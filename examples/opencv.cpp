// Classifies a cv::Mat, such as a frame from a camera. Usage: opencv MODEL IMAGE
//   find_package(OpenCV REQUIRED COMPONENTS core imgcodecs)
//   target_link_libraries(opencv PRIVATE beit::beit opencv_core opencv_imgcodecs)
#include <exception>
#include <iostream>

#include <opencv2/imgcodecs.hpp>

#include <beit/beit.hpp>
#include <beit/opencv.hpp>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "opencv: wanted MODEL IMAGE\n";
    return 2;
  }
  try {
    const auto model = beit::load<float>(argv[1]);
    const cv::Mat frame = cv::imread(argv[2]);
    if (frame.empty()) throw beit::FileError(std::string(argv[2]) + ": OpenCV can't read it");
    for (const auto& [index, label, score] : beit::classify(model, beit::view(frame), 5)) {
      std::cout << 100 * score << " % " << label << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "opencv: " << error.what() << '\n';
    return 1;
  }
}
