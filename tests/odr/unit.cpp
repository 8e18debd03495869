// Compiled several times, each time with other flags and another BEIT_ODR_UNIT, which is the name of its Unit.
#include "unit.hpp"

#include <beit/beit.hpp>
#include <tuple>

namespace {

std::vector<float> logits(const char* path, const Pixels& image) {
  const auto model = beit::load<float>(path);
  beit::Workspace workspace;
  const beit::ImageView view{image.data, image.height, image.width, 3, 0};
  const beit::Matrix input = beit::preprocess(model.config(), std::span<const beit::ImageView>(&view, 1), workspace);
  beit::Matrix out(1, model.config().num_classes);
  model.forward(input, workspace, out);
  return {out.data(), out.data() + out.size()};
}

std::vector<std::uint8_t> decode(const char* path, Pixels& size) {
  const beit::Image image = beit::read_image(path);
  const beit::ImageView view = image;
  size.height = view.height;
  size.width = view.width;
  return {view.data, view.data + view.height * view.width * view.channels};
}

void fail() { std::ignore = beit::load<float>("no such file.safetensors"); }

bool catches(void (*fail_elsewhere)()) {
  bool as_file_error = false, as_error = false;
  try {
    fail_elsewhere();
  } catch (const beit::FileError&) {
    as_file_error = true;
  }
  try {
    fail_elsewhere();
  } catch (const beit::Error&) {
    as_error = true;
  }
  return as_file_error && as_error;
}

}  // namespace

#define BEIT_ODR_TEXT_(x) #x
#define BEIT_ODR_TEXT(x) BEIT_ODR_TEXT_(x)
extern const Unit BEIT_ODR_UNIT;
const Unit BEIT_ODR_UNIT{BEIT_ODR_TEXT(BEIT_ODR_UNIT), logits, decode, fail, catches};
