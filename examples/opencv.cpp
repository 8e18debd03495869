// Classifies a cv::Mat, such as a frame from a camera. Usage: opencv MODEL IMAGE
#include <exception>
#include <iostream>

#include <opencv2/imgcodecs.hpp>

#include <beit/beit.hpp>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "opencv: wanted MODEL IMAGE\n";
    return 2;
  }
  try {
    const auto model = beit::load<float>(argv[1]);
    const cv::Mat frame = cv::imread(argv[2]);
    if (frame.empty()) throw beit::FileError(std::string(argv[2]) + ": OpenCV can't read it");
    // OpenCV stores blue first.
    const beit::ImageView view{
        frame.data,           frame.rows, frame.cols, frame.channels(), static_cast<beit::Index>(frame.step),
        beit::PixelOrder::bgr};
    for (const auto& [index, label, score] : beit::classify(model, view, 5)) {
      std::cout << 100 * score << " % " << label << '\n';
    }
  } catch (const std::exception& error) {
    std::cerr << "opencv: " << error.what() << '\n';
    return 1;
  }
}
