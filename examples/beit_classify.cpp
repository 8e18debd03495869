// beit-classify: says what is in images.
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <beit/beit.hpp>

#include "inputs.hpp"
#include "output.hpp"
#include "program.hpp"

namespace {

struct Options : programs::Options {
  beit::Index top_k = 5;
  bool json = false;
  std::string logits;
};

/// Keeps the order of the keys, and writes a float in as many digits as it takes to read the same one back.
using Json =
    nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, std::int64_t, std::uint64_t, float>;

void print_json(const Json& object) {
  // File names need not be UTF-8, JSON has to be.
  std::cout << object.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_json(const std::string& name, const std::vector<beit::Prediction>& predictions) {
  Json list = Json::array();
  for (const auto& [index, label, score] : predictions) {
    list.push_back({{"index", index}, {"label", label.empty() ? Json(nullptr) : Json(label)}, {"score", score}});
  }
  print_json({{"image", name}, {"predictions", list}});
}

void print_text(const std::string& name, const std::vector<beit::Prediction>& predictions) {
  std::cout << programs::one_line(name) << '\n';
  for (const auto& [index, label, score] : predictions) {
    std::cout << std::fixed << std::setprecision(2) << std::setw(8) << 100 * score << " %  "
              << (label.empty() ? "class " + std::to_string(index) : programs::one_line(label)) << '\n';
  }
}

int classify(const CLI::App& app, const Options& options) {
  beit::ThreadPool pool(options.threads);
  const auto model = programs::load_model(options.model, options.precision, pool);
  const beit::Config& config = model->config();
  if (config.num_classes == 0) throw beit::ConfigError("the model has no classifier: beit-embed takes its features");

  beit::Workspace workspace(pool);
  if (options.verbose) programs::describe(app, options, config, workspace.executor());
  std::optional<programs::RowFiles> files;
  if (!options.logits.empty()) files.emplace(options.logits, std::vector{config.num_classes});

  programs::Skipped skipped;
  std::vector<programs::Input> inputs = programs::list_inputs(options.images, skipped);
  programs::print_skipped(app, skipped);
  programs::BatchReader reader(std::move(inputs), config, options.decode, options.batch_size, workspace.executor());
  while (reader.next()) {
    const beit::ConstRows x = reader.x();
    beit::Matrix logits(x.rows(), config.num_classes);
    if (x.rows() > 0) model->forward(x, workspace, logits);
    const float* row = logits.data();
    for (const auto& [name, error, path] : reader.inputs()) {
      if (!error.empty()) {
        programs::print_error(app, name + ": " + error);
        if (options.json) print_json({{"image", name}, {"error", error}});
        continue;
      }
      const std::span<const float> classes(row, static_cast<std::size_t>(config.num_classes));
      const std::vector<beit::Prediction> predictions = beit::top_k(classes, options.top_k, config.labels);
      if (options.json) {
        print_json(name, predictions);
      } else {
        print_text(name, predictions);
      }
      if (files) files->write(name, row);
      row += config.num_classes;
    }
    std::cout.flush();
  }
  if (files) files->close();
  return reader.any_failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Classifies images with a BEiT model.", "beit-classify");
  app.add_option("--top-k", options.top_k, "Classes to show for an image [5]")
      ->option_text("K")
      ->check(CLI::Range(1, 1'000'000));
  app.add_flag("--json", options.json, "Print a JSON object a line, one for each image");
  app.add_option("--logits", options.logits,
                 "Also write the logits, float32 (images, classes); OUT.txt names the image of each row")
      ->option_text("OUT.npy")
      ->check(programs::name_in(".npy"));
  programs::add_options(app, options);
  return programs::run(app, argc, argv, [&] { return classify(app, options); });
}
