// beit-classify: classifies images.
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "csv.hpp"
#include "inputs/batches.hpp"
#include "inputs/input_progress.hpp"
#include "inputs/sources.hpp"
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

void print_text(const std::string& name, const std::vector<beit::Prediction>& predictions, bool probabilities) {
  std::cout << programs::one_line(name) << '\n' << std::fixed;
  for (const auto& [index, label, score] : predictions) {
    if (probabilities) {
      std::cout << std::setprecision(2) << std::setw(8) << 100 * score << " %  ";
    } else {
      std::cout << std::setprecision(4) << std::setw(10) << score << "  ";
    }
    std::cout << (label.empty() ? "class " + std::to_string(index) : programs::one_line(label)) << '\n';
  }
}

/// Prints the line or lines of one image.
void print(const Options& options, const std::string& name, const std::vector<beit::Prediction>& predictions,
           bool probabilities) {
  if (options.json) {
    print_json(name, predictions);
  } else if (options.csv) {
    print_csv(name, predictions);
  } else {
    print_text(name, predictions, probabilities);
  }
}

void print_error(const CLI::App& app, const Options& options, const programs::Item& item) {
  programs::print_error(app, item.path + ": " + item.error);
  if (options.json) programs::print_json({{"image", item.path}, {"error", item.error}});
  if (options.csv) {
    programs::print_csv({programs::csv_field(item.path), "", "", "", "", programs::csv_field(item.error)});
  }
}

int classify(const CLI::App& app, const Options& options) {
  beit::ThreadPool pool(options.threads);
  const auto loaded = programs::load_model(options, pool);
  const beit::AnyBeit& model = *loaded;
  const beit::Config& config = model.config();
  if (config.num_classes == 0) throw beit::ConfigError("the model has no classifier: beit-embed takes its features");

  beit::Workspace workspace(pool);
  if (options.verbose) programs::describe(app, options, programs::model_text(config), workspace.executor());
  std::optional<programs::RowFiles> files;
  if (!options.logits.empty()) files.emplace(options.logits, std::vector{config.num_classes});

  const programs::InputNames names{options.images, options.list};
  programs::Skipped skipped;
  programs::Sources sources(names, programs::all_wanted, skipped);
  programs::Batches batches(sources, config, options.decode, options.batch_size, pool.size());
  programs::InputProgress progress(names);
  if (options.csv) programs::print_csv({"image", "rank", "index", "label", "score", "error"});
  bool failed = false;
  const auto forward = [&](const beit::ConstRows& x) {
    beit::Matrix logits(x.rows(), config.num_classes);
    model.forward(x, workspace, logits);
    return logits;
  };
  programs::run_batches(batches, progress, forward, [&](const programs::Item& item, std::span<const float> logits) {
    if (logits.empty()) {
      print_error(app, options, item);
      failed = true;
      return;
    }
    print(options, item.path, beit::top_k(logits, options.top_k, config.labels, config.score_function),
          config.score_function != beit::ScoreFunction::identity);
    if (files) files->write(item.path, logits);
  });
  programs::print_skipped(app, skipped);
  if (files) files->close();
  return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Classifies images with a BEiT model.", "beit-classify");
  app.add_option("--top-k", options.top_k, "Number of classes to show per image [5]")
      ->option_text("K")
      ->check(CLI::Range(1, 1'000'000));
  auto* const json = app.add_flag("--json", options.json, "Print one JSON object per image, each on its own line");
  app.add_flag("--csv", options.csv, "Print comma-separated values: a header, then one line per class of each image")
      ->excludes(json);
  app.add_option("--logits", options.logits,
                 "Also write the logits as float32 (images, classes), and OUT.txt with the image's name\n"
                 "for each row")
      ->option_text("OUT.npy")
      ->check(programs::name_in(".npy"));
  app.add_option("--list", options.list,
                 "File that lists images and tar files, one path per line; anything after a tab is\n"
                 "ignored; - for standard input")
      ->option_text("FILE");
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  app.get_option("IMAGE|FOLDER")
      ->required(false)
      ->description(
          "Image files, tar files and folders, which are searched recursively, sorted by name;\n"
          "- for a tar file from standard input");
  app.callback([&] { programs::require_inputs(options.images, options.list); });
  return programs::run(app, argc, argv, [&] { return classify(app, options); });
}
