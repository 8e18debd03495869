// beit-classify: says what is in images.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "csv.hpp"
#include "embed/line_reader.hpp"
#include "inputs.hpp"
#include "json_lines.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "program.hpp"

namespace {

struct Options : programs::Options {
  beit::Index top_k = 5;
  bool json = false, csv = false;
  std::string logits, list;
};

void print_json(const std::string& name, const std::vector<beit::Prediction>& predictions) {
  programs::FloatJson list = programs::FloatJson::array();
  for (const auto& [index, label, score] : predictions) {
    list.push_back({{"index", index},
                    {"label", label.empty() ? programs::FloatJson(nullptr) : programs::FloatJson(label)},
                    {"score", score}});
  }
  programs::print_json({{"image", name}, {"predictions", list}});
}

void print_csv(const std::string& name, const std::vector<beit::Prediction>& predictions) {
  int rank = 0;
  for (const auto& [index, label, score] : predictions) {
    programs::print_csv({programs::csv_field(name), std::to_string(++rank), std::to_string(index),
                         programs::csv_field(label), programs::csv_field(score), ""});
  }
}

void print_text(const std::string& name, const std::vector<beit::Prediction>& predictions) {
  std::cout << programs::one_line(name) << '\n';
  for (const auto& [index, label, score] : predictions) {
    std::cout << std::fixed << std::setprecision(2) << std::setw(8) << 100 * score << " %  "
              << (label.empty() ? "class " + std::to_string(index) : programs::one_line(label)) << '\n';
  }
}

/// The images of a list; what a line has after a tab is left out.
void add_listed(const std::string& list, std::vector<programs::Input>& inputs, programs::Skipped& skipped) {
  const std::atomic<bool> stopping{false};  // a signal alone ends it
  programs::LineReader lines(list, stopping);
  for (std::string line; lines.next(line);) {
    const std::string name = line.substr(0, line.find('\t'));
    if (name.empty()) continue;
    const std::filesystem::path path = programs::path_of(name);
    if (programs::is_apple_double(path)) {  // `find` lists them too
      skipped.add(path);
    } else {
      inputs.push_back({name, {}, path});
    }
  }
}

int classify(const CLI::App& app, const Options& options) {
  beit::ThreadPool pool(options.threads);
  const auto model = programs::load_model(options.model, options.precision, pool, options.image_size);
  const beit::Config& config = model.config();
  if (config.num_classes == 0) throw beit::ConfigError("the model has no classifier: beit-embed takes its features");

  beit::Workspace workspace(pool);
  if (options.verbose) programs::describe(app, options, programs::model_text(config), workspace.executor());
  std::optional<programs::RowFiles> files;
  if (!options.logits.empty()) files.emplace(options.logits, std::vector{config.num_classes});

  programs::Skipped skipped;
  std::vector<programs::Input> inputs = programs::list_inputs(options.images, skipped);
  if (!options.list.empty()) add_listed(options.list, inputs, skipped);
  programs::print_skipped(app, skipped);
  programs::BatchReader reader(std::move(inputs), config, options.decode, options.batch_size, workspace.executor());
  if (options.csv) programs::print_csv({"image", "rank", "index", "label", "score", "error"});
  while (reader.next()) {
    const beit::ConstRows x = reader.x();
    beit::Matrix logits(x.rows(), config.num_classes);
    if (x.rows() > 0) model.forward(x, workspace, logits);
    const float* row = logits.data();
    for (const auto& [name, error, path] : reader.inputs()) {
      if (!error.empty()) {
        programs::print_error(app, name + ": " + error);
        if (options.json) programs::print_json({{"image", name}, {"error", error}});
        if (options.csv) programs::print_csv({programs::csv_field(name), "", "", "", "", programs::csv_field(error)});
        continue;
      }
      const std::span<const float> classes(row, static_cast<std::size_t>(config.num_classes));
      const std::vector<beit::Prediction> predictions = beit::top_k(classes, options.top_k, config.labels);
      if (options.json) {
        print_json(name, predictions);
      } else if (options.csv) {
        print_csv(name, predictions);
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
  auto* const json = app.add_flag("--json", options.json, "Print a JSON object a line, one for each image");
  app.add_flag("--csv", options.csv, "Print comma-separated values: a header, and a line for each class of each image")
      ->excludes(json);
  app.add_option("--logits", options.logits,
                 "Also write the logits, float32 (images, classes); OUT.txt names the image of each row")
      ->option_text("OUT.npy")
      ->check(programs::name_in(".npy"));
  app.add_option("--list", options.list, "A file with a line an image, its path; - for standard input")
      ->option_text("FILE");
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  app.get_option("IMAGE|FOLDER")->required(false);
  app.callback([&] {
    if (options.images.empty() && options.list.empty()) {
      throw CLI::ValidationError("found no images, wanted IMAGE|FOLDER or --list");
    }
  });
  return programs::run(app, argc, argv, [&] { return classify(app, options); });
}
