// Decodes and preprocesses a list of images, for comparison with Pillow and timm by tests/timm/test_preprocessing.py.
//
// beit_dump_pixels JOBS OUT: JOBS has one job a line, of fields separated by tabs:
//   decode      PATH  upright|as_stored|truncated
//   preprocess  PATH  HEIGHT  WIDTH  CROP_PCT  CROP_MODE  INTERPOLATION  MEAN,MEAN,MEAN  STD,STD,STD  PASS_ORDER
// OUT gets one record per job: int32 status (0 done, 1 error), int64 size, and that many bytes: for decode int32
// height, int32 width and the RGB bytes; for preprocess (3, height, width) float32; for an error its message.
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <beit/image/decode.hpp>
#include <beit/image/transform.hpp>

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> fields;
  std::istringstream stream(text);
  for (std::string field; std::getline(stream, field, separator);) fields.push_back(field);
  return fields;
}

std::vector<float> floats(const std::string& text) {
  std::vector<float> values;
  for (const std::string& field : split(text, ',')) values.push_back(static_cast<float>(std::stod(field)));
  return values;
}

template <typename Value>
void append(std::string& bytes, const Value* values, beit::Index count) {
  bytes.append(reinterpret_cast<const char*>(values), static_cast<std::size_t>(count) * sizeof(Value));
}

std::string run(const std::vector<std::string>& job) {
  std::string result;
  if (job.size() == 3 && job[0] == "decode") {
    beit::DecodeOptions options;
    options.apply_exif_orientation = job[2] == "upright";
    options.allow_truncated = job[2] == "truncated";
    const beit::Image image = beit::read_image(job[1], options);
    const std::int32_t size[2] = {static_cast<std::int32_t>(image.height()), static_cast<std::int32_t>(image.width())};
    append(result, size, 2);
    append(result, image.data(), image.size());
  } else if (job.size() == 10 && job[0] == "preprocess") {
    beit::Preprocessing config;
    config.input_size = {std::stol(job[2]), std::stol(job[3])};
    config.crop_pct = std::stod(job[4]);
    config.crop_mode = beit::crop_mode_from_name(job[5]);
    config.interpolation = beit::interpolation_from_name(job[6]);
    config.mean = floats(job[7]);
    config.std = floats(job[8]);
    config.pass_order = beit::pass_order_from_name(job[9]);
    std::vector<float> pixels(static_cast<std::size_t>(config.input_size.area() * 3));
    beit::preprocess(config, beit::read_image(job[1]), pixels);
    append(result, pixels.data(), static_cast<beit::Index>(pixels.size()));
  } else {
    throw std::invalid_argument("not a job");
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: beit_dump_pixels JOBS OUT\n";
    return 2;
  }
  std::ifstream jobs(argv[1]);
  std::ofstream out(argv[2], std::ios::binary);
  for (std::string line; std::getline(jobs, line);) {
    std::int32_t status = 0;
    std::string result;
    try {
      result = run(split(line, '\t'));
    } catch (const std::exception& error) {
      status = 1;
      result = error.what();
    }
    const std::int64_t size = static_cast<std::int64_t>(result.size());
    out.write(reinterpret_cast<const char*>(&status), sizeof status);
    out.write(reinterpret_cast<const char*>(&size), sizeof size);
    out.write(result.data(), size);
  }
  if (!jobs.eof() || !out) {
    std::cerr << "beit_dump_pixels: can't read " << argv[1] << " or write " << argv[2] << '\n';
    return 1;
  }
  return 0;
}
