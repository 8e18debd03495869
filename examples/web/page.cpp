// The functions that examples/web calls in its worker, for one model and one photograph at a time.
//
// Results are JSON texts, with the key "error" if a call failed. Texts and pictures are valid until the next call.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <emscripten/emscripten.h>
#include <nlohmann/json.hpp>

#include <beit/beit.hpp>
#include <beit/model/load_any.hpp>

#include "../programs/attention_map.hpp"
#include "../programs/demo_images.hpp"
#include "../programs/what_the_model_sees.hpp"

namespace {

using beit::Index;
using Json = nlohmann::json;

constexpr Index picture_side = 448;

struct Page {
  std::unique_ptr<std::byte[]> buffer;  // the bytes that the page hands over
  std::size_t size = 0;
  std::unique_ptr<const beit::AnyBeit> model;
  beit::Workspace workspace;
  beit::Matrix x;                     // (1, 3*H*W), for the photograph that was classified last
  std::vector<std::uint8_t> picture;  // RGBA
  std::string answer;
};
Page page;

/// Returns the result of `make` as JSON, with the time that it took.
template <typename Make>
const char* answer(const Make& make) {
  const auto start = std::chrono::steady_clock::now();
  Json json;
  try {
    json = make();
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    json["milliseconds"] = time.count();
  } catch (const std::bad_alloc&) {
    json = {{"error", "out of memory: a page has 4 GB at most"}};
  } catch (const std::exception& error) {
    json = {{"error", error.what()}};
  }
  page.answer = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return page.answer.c_str();
}

std::span<const std::byte> handed_over() { return {page.buffer.get(), page.size}; }

const beit::AnyBeit& model() {
  if (!page.model) throw beit::ArgumentError("there is no model yet");
  return *page.model;
}

Json classify(const beit::ImageView& image) {
  const beit::Config& config = model().config();
  if (config.num_classes == 0) throw beit::ConfigError("the model has no classifier");
  page.x = beit::preprocess(config, std::span(&image, 1), page.workspace);
  beit::Matrix logits(1, config.num_classes);
  model().forward(page.x, page.workspace, logits);
  Json classes = Json::array();
  const std::span<const float> row(logits.data(), static_cast<std::size_t>(logits.cols()));
  for (const auto& [index, label, score] : beit::top_k(row, 5, config.labels, config.score_function)) {
    classes.push_back({{"label", label}, {"score", score}});
  }
  return {{"classes", classes},
          {"probabilities", config.score_function != beit::ScoreFunction::identity},
          {"unlike_demo", programs::unlike_demo(image.width, image.height, programs::is_coloured(image))}};
}

Json picture_of(const beit::Image& image) {
  page.picture.assign(static_cast<std::size_t>(4 * image.width() * image.height()), 255);
  for (Index i = 0; i < image.width() * image.height(); ++i) {
    for (Index c = 0; c < 3; ++c) page.picture[static_cast<std::size_t>(4 * i + c)] = image.data()[3 * i + c];
  }
  return {{"width", image.width()}, {"height", image.height()}};
}

}  // namespace

extern "C" {

/// Returns memory for the file or pixels that the page hands over to the next call.
EMSCRIPTEN_KEEPALIVE std::byte* reserve(std::size_t size) {
  try {
    page.buffer.reset();
    page.buffer = std::make_unique<std::byte[]>(size);
    page.size = size;
  } catch (const std::bad_alloc&) {
    page.size = 0;
  }
  return page.buffer.get();
}

/// Loads the model in the file that was handed over. `config` and `preprocessor` are the texts of the files that were
/// opened with it, as in beit::MemoryFiles; empty if there are none. Returns {"name", "classes", "image": [height,
/// width]}.
EMSCRIPTEN_KEEPALIVE const char* load_model(const char* name, const char* precision, const char* config,
                                            const char* preprocessor) {
  return answer([&] {
    const beit::MemoryFiles files{handed_over(), name, config, preprocessor};
    std::unique_ptr<const beit::AnyBeit> loaded(
        beit::load_any(files, {.precision = beit::precision_from_name(precision)}));
    page.buffer.reset();
    page.size = 0;
    page.model = std::move(loaded);  // if loading fails, the previous model stays
    const beit::Config& read = model().config();
    return Json{{"name", read.architecture.empty() ? name : read.architecture},
                {"classes", read.num_classes},
                {"image", {read.image_size.height, read.image_size.width}}};
  });
}

/// Classifies the photograph in the file that was handed over. Returns {"classes": [{"label", "score"}],
/// "probabilities", "unlike_demo"}, best first; without probabilities, scores are the numbers of a regression.
/// "unlike_demo" says in what the photograph differs from those that the demo model learned from.
EMSCRIPTEN_KEEPALIVE const char* classify_file(const char* name) {
  return answer([&] { return classify(beit::decode_image(handed_over(), {}, name)); });
}

/// Classifies pixels (height, width, 4) that the browser decoded. Returns the same as classify_file.
EMSCRIPTEN_KEEPALIVE const char* classify_pixels(int height, int width) {
  return answer([&] {
    if (static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 4 != page.size) {
      throw beit::ArgumentError("the pixels are not those that were handed over");
    }
    return classify({reinterpret_cast<const std::uint8_t*>(page.buffer.get()), height, width, 4});
  });
}

/// Draws the last photograph as the model sees it, for picture(). Returns {"width", "height"}.
EMSCRIPTEN_KEEPALIVE const char* draw_input() {
  return answer([&] {
    return picture_of(programs::what_the_model_sees(page.x.data(), model().config().preprocessing, picture_side));
  });
}

/// Draws the last photograph under the colours of the class token's attention in the last block, the mean of its heads,
/// for picture(). Returns {"width", "height"}.
EMSCRIPTEN_KEEPALIVE const char* draw_attention() {
  return answer([&] {
    const beit::Config& config = model().config();
    const std::vector<beit::Matrix> weights = model().forward_attention(page.x, {-1}, page.workspace);
    const Eigen::RowVectorXd row = programs::mean_of_heads(weights[0]).row(0).tail(config.num_tokens() - 1);
    beit::Image image = programs::what_the_model_sees(page.x.data(), config.preprocessing, picture_side);
    const programs::PatchMap map({row.data(), row.data() + row.size()}, config.grid(), {image.height(), image.width()});
    std::array<programs::Colour, 256> colours;  // computed once: a picture has 200,000 pixels
    for (std::size_t i = 0; i < 256; ++i) colours[i] = programs::sequential_colour(static_cast<double>(i) / 255);
    std::uint8_t* pixel = image.data();
    for (Index y = 0; y < image.height(); ++y) {
      for (Index x = 0; x < image.width(); ++x, pixel += 3) {
        const auto share = static_cast<std::size_t>(std::lround(255 * map.share(map.at(y, x))));
        const programs::Colour over = programs::over_grey(colours[share], pixel);
        std::copy(over.begin(), over.end(), pixel);
      }
    }
    return picture_of(image);
  });
}

/// Returns the picture that was drawn last: (height, width, 4), red, green, blue and 255.
EMSCRIPTEN_KEEPALIVE const std::uint8_t* picture() { return page.picture.data(); }

}  // extern "C"
