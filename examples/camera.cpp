// Names what a camera or a video shows. The picture never waits for the model: each time that an answer is there, the
// newest frame goes to the model, on a thread of its own.
// Usage: camera MODEL SOURCE [OUTPUT]. SOURCE is the number of a camera, such as 0, or a video; OUTPUT is a video to
// write (.avi) instead of showing a window. Escape ends it.
//   find_package(OpenCV REQUIRED COMPONENTS core imgproc videoio highgui)
//   target_link_libraries(camera PRIVATE beit::beit opencv_core opencv_imgproc opencv_videoio opencv_highgui)
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <future>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <opencv2/highgui.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include <beit/beit.hpp>
#include <beit/opencv.hpp>

using Predictions = std::vector<beit::Prediction>;

/// The number of a camera, or -1 for the name of a video. ArgumentError for other numbers.
int camera_of(const std::string& source) {
  if (source.empty()) throw beit::ArgumentError("found an empty SOURCE, wanted the number of a camera or a video");
  if (source.find_first_not_of("0123456789") != source.npos) return -1;
  int number = 0;
  if (std::from_chars(source.data(), source.data() + source.size(), number).ec == std::errc()) return number;
  throw beit::ArgumentError("found SOURCE " + source + ", wanted the number of a camera or a video");
}

/// FileError where Qt would end the program, because it finds no display.
void require_display() {
#if defined(__linux__)
  for (const char* const name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}) {
    if (const char* const value = std::getenv(name); value != nullptr && *value != 0) return;
  }
  throw beit::FileError("found no display for a window, wanted one (DISPLAY or WAYLAND_DISPLAY), or OUTPUT");
#endif
}

/// Writes the classes into a frame.
void draw(const Predictions& best, cv::Mat& frame) {
  int y = 0;
  for (const auto& [index, label, score] : best) {
    const std::string line = std::to_string(static_cast<int>(100 * score + 0.5f)) + " % " + label;
    y += 22;
    cv::putText(frame, line, {8, y}, cv::FONT_HERSHEY_SIMPLEX, 0.6, {0, 0, 0}, 4, cv::LINE_AA);
    cv::putText(frame, line, {8, y}, cv::FONT_HERSHEY_SIMPLEX, 0.6, {255, 255, 255}, 1, cv::LINE_AA);
  }
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "camera: wanted MODEL SOURCE [OUTPUT]\n";
    return 2;
  }
  try {
    const std::string source = argv[2], output = argc == 4 ? argv[3] : "";
    const int camera = camera_of(source);
    if (output.empty()) require_display();
    const auto model = beit::load<std::int8_t>(argv[1]);
    beit::Workspace workspace;
    cv::VideoCapture capture = camera >= 0 ? cv::VideoCapture(camera) : cv::VideoCapture(source);
    if (!capture.isOpened()) throw beit::FileError(source + ": OpenCV can't open it");
    const double rate = capture.get(cv::CAP_PROP_FPS) > 0 ? capture.get(cv::CAP_PROP_FPS) : 30;
    cv::VideoWriter writer;

    const auto classify = [&](const cv::Mat& frame) { return beit::classify(model, beit::view(frame), 5, workspace); };
    std::future<Predictions> answer;
    Predictions best;
    int asked = 0;  // the number of the frame that the model looks at
    const auto start = std::chrono::steady_clock::now();
    cv::Mat frame;
    for (int number = 0; capture.read(frame); ++number) {
      if (answer.valid() && answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
        best = answer.get();
        std::cout << "frame " << asked << ": " << 100 * best[0].score << " % " << best[0].label << '\n';
      }
      if (!answer.valid()) {
        asked = number;
        answer = std::async(std::launch::async, classify, frame.clone());
      }
      draw(best, frame);
      if (output.empty()) {
        cv::imshow("beit", frame);
        if (cv::waitKey(1) == 27) break;
      } else {
        const auto codec = cv::VideoWriter::fourcc('M', 'J', 'P', 'G');
        if (number == 0 && !writer.open(output, codec, rate, frame.size())) {
          throw beit::FileError(output + ": OpenCV can't write it");
        }
        writer.write(frame);
      }
      // A file is read as fast as it is meant to be seen; a camera waits by itself.
      if (camera < 0) std::this_thread::sleep_until(start + std::chrono::duration<double>((number + 1) / rate));
    }
  } catch (const std::exception& error) {
    std::cerr << "camera: " << error.what() << '\n';
    return 1;
  }
}
