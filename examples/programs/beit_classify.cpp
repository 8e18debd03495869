// beit-classify: classifies images, or says how often a model is right about labelled ones.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "classify/class_folders.hpp"
#include "csv.hpp"
#include "inputs/batches.hpp"
#include "inputs/input_progress.hpp"
#include "inputs/sources.hpp"
#include "json_lines.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "program.hpp"
#include "train_head/dataset.hpp"
#include "train_head/evaluation.hpp"

namespace {

struct Options : programs::Options {
  beit::Index top_k = 5;
  bool json = false, csv = false;
  bool null = false;
  std::string logits, list;
  std::string val, confusion;
};

void print_json(const Options& options, const programs::Item& item, const std::vector<beit::Prediction>& predictions) {
  programs::FloatJson list = programs::FloatJson::array();
  for (const auto& [index, label, score] : predictions) {
    list.push_back({{"index", index}, {"label", label}, {"score", score}});
  }
  programs::FloatJson object{{"image", item.path}, {"predictions", list}};
  programs::note_demo(options, object, programs::unlike_demo_text(item));
  programs::print_json(object);
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
    std::cout << programs::one_line(label) << '\n';
  }
}

/// Prints the line or lines of one image.
void print(const Options& options, const programs::Item& item, const std::vector<beit::Prediction>& predictions,
           bool probabilities) {
  if (options.json) {
    print_json(options, item, predictions);
  } else if (options.csv) {
    print_csv(item.path, predictions);
  } else {
    print_text(item.path, predictions, probabilities);
  }
}

void print_error(const CLI::App& app, const Options& options, const programs::Item& item) {
  programs::print_error(app, item.path + ": " + item.error);
  if (options.json) programs::print_json({{"image", item.path}, {"error", item.error}});
  if (options.csv) {
    programs::print_csv({programs::csv_field(item.path), "", "", "", "", programs::csv_field(item.error)});
  }
}

/// The logits of a batch, (B, K).
beit::Matrix logits_of(const beit::AnyBeit& model, const beit::ConstRows& x, beit::Workspace& workspace) {
  beit::Matrix logits(x.rows(), model.config().num_classes);
  model.forward(x, workspace, logits);
  return logits;
}

/// The answers of a model about labelled images. Classes are counted from 0 in the order of the folders;
/// `classes.size()` is a class of the model that has no folder.
struct Answers {
  std::vector<beit::Index> truth, predicted;  // of the images that could be read
  std::vector<beit::Index> in_five;           // (folders,), the images whose class is among the best five
  programs::Outcome outcome;
  double seconds = 0;
};

Answers answers_of(const CLI::App& app, const Options& options, const beit::AnyBeit& model,
                   const programs::DataSet& data, const std::vector<beit::Index>& class_of_folder,
                   beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  std::vector<beit::Index> folder_of_class(static_cast<std::size_t>(config.num_classes), std::ssize(data.classes));
  for (std::size_t i = 0; i < class_of_folder.size(); ++i) {
    folder_of_class[static_cast<std::size_t>(class_of_folder[i])] = static_cast<beit::Index>(i);
  }
  programs::InputProgress progress(data.items.size(), options.quiet);
  programs::ItemList list(data.items);
  programs::Batches batches(list, config, options.decode, options.batch_size, workspace.executor().size());
  Answers answers{{}, {}, std::vector<beit::Index>(data.classes.size()), {}, 0};
  auto label = data.labels.begin();
  const auto forward = [&](const beit::ConstRows& x) { return logits_of(model, x, workspace); };
  programs::run_batches(batches, progress, forward, [&](const programs::Item& item, std::span<const float> logits) {
    const beit::Index truth = *label++;
    answers.outcome.add(item);
    if (logits.empty()) return programs::print_error(app, item.path + ": " + item.error);
    const std::vector<beit::Prediction> best = beit::top_k(logits, 5, {});
    answers.truth.push_back(truth);
    answers.predicted.push_back(folder_of_class[static_cast<std::size_t>(best.front().index)]);
    answers.in_five[static_cast<std::size_t>(truth)] +=
        std::any_of(best.begin(), best.end(), [&](const beit::Prediction& prediction) {
          return prediction.index == class_of_folder[static_cast<std::size_t>(truth)];
        });
  });
  answers.seconds = progress.seconds();
  programs::print_timings(app, options, batches.timings());
  return answers;
}

/// A share of images, or null if there are none.
programs::FloatJson share(beit::Index part, beit::Index whole) {
  if (whole == 0) return nullptr;
  return static_cast<float>(static_cast<double>(part) / static_cast<double>(whole));
}

void print_validation_json(const Options& options, const programs::Confusion& confusion, const programs::DataSet& data,
                           const programs::ClassFolders& folders, const Answers& answers) {
  programs::FloatJson classes = programs::FloatJson::array();
  for (std::size_t c = 0; c < data.classes.size(); ++c) {
    classes.push_back({{"folder", data.classes[c]},
                       {"index", folders.classes[c]},
                       {"images", confusion.of_class(c)},
                       {"top1", share(confusion.count(c, c), confusion.of_class(c))},
                       {"top5", share(answers.in_five[c], confusion.of_class(c))},
                       {"precision", share(confusion.count(c, c), confusion.taken_for(c))}});
  }
  const beit::Index in_five = std::accumulate(answers.in_five.begin(), answers.in_five.end(), beit::Index{0});
  programs::FloatJson object{{"images", confusion.total()},
                             {"unread", answers.outcome.failed()},
                             {"matched", folders.by_name ? "name" : "order"},
                             {"top1", share(confusion.right(), confusion.total())},
                             {"top5", share(in_five, confusion.total())},
                             {"classes", classes}};
  programs::note_demo(options, object);
  programs::print_json(object);
}

/// Says how often the model is right about the images in the folders of --val.
int validate(const CLI::App& app, const Options& options, const beit::AnyBeit& model, beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  if (config.score_function == beit::ScoreFunction::identity || config.num_classes < 2) {
    throw beit::ConfigError("--val: found a model that names no class, wanted a classifier of at least 2 classes");
  }
  programs::Skipped skipped;
  const programs::DataSet data = programs::read_data_set(programs::path_of(options.val), skipped);
  programs::print_skipped(app, options, skipped);
  const programs::ClassFolders folders =
      programs::match_folders(options.val, data.classes, config.labels, config.num_classes);
  for (std::size_t c = 0; c < data.classes.size(); ++c) {
    if (data.images()[c] > 0) continue;
    programs::print_error(app, options.val + ": class '" + data.classes[c] + "': found no image files");
  }
  if (data.items.empty()) throw beit::ArgumentError(options.val + ": found no images, wanted a folder for each class");
  programs::check_outputs(options, {{"--confusion", programs::path_of(options.confusion), programs::OutputKind::png}},
                          programs::inputs_of(options.val, data));
  std::vector<std::string> names = data.classes;
  if (std::ssize(names) < config.num_classes) names.emplace_back("(no folder)");
  if (!options.confusion.empty()) {
    programs::require_drawable(names.size());
    beit::AtomicFile(programs::path_of(options.confusion));  // refuses a name that can't be written before the work
  }
  const Answers answers = answers_of(app, options, model, data, folders.classes, workspace);
  const programs::Confusion confusion(answers.truth, answers.predicted, names.size());
  if (options.json) {
    print_validation_json(options, confusion, data, folders, answers);
  } else {
    const beit::Index in_five = std::accumulate(answers.in_five.begin(), answers.in_five.end(), beit::Index{0});
    std::cout << data.classes.size() << " of " << config.num_classes << " classes, matched by the "
              << (folders.by_name ? "names" : "order") << " of the folders; images: " << confusion.total() << ", "
              << answers.outcome.failed() << " unread\ntop-1 "
              << programs::accuracy_text(confusion.right(), confusion.total()) << "\ntop-5 "
              << programs::accuracy_text(in_five, confusion.total()) << "\n\n";
    programs::print_classes(std::cout, confusion, names);
  }
  if (!options.confusion.empty()) {
    beit::AtomicFile file(programs::path_of(options.confusion));
    file.write(programs::ConfusionPicture(confusion, names).png());
    file.close();
  }
  programs::print_unlike_demo(app, options, answers.outcome);
  programs::print_summary(app, options, {options.confusion}, answers.outcome.done, answers.seconds);
  return answers.outcome.status(options.strict);
}

int classify(const CLI::App& app, const Options& options) {
  const std::vector<programs::OutputName> outputs = programs::with_names("--logits", options.logits);
  programs::check_outputs(options, outputs, {options.list});
  beit::ThreadPool pool(options.threads);
  const auto loaded = programs::load_model(options, pool);
  const beit::AnyBeit& model = *loaded;
  const beit::Config& config = model.config();
  if (config.num_classes == 0) throw beit::ConfigError("the model has no classifier: beit-embed takes its features");

  beit::Workspace workspace(pool);
  programs::describe(app, options, programs::model_text(config), config.preprocessing, workspace.executor());
  if (!options.val.empty()) return validate(app, options, model, workspace);
  std::optional<programs::RowFiles> files;
  if (!options.logits.empty()) files.emplace(programs::path_of(options.logits), std::vector{config.num_classes});

  const programs::InputNames names{options.images, options.list, options.null};
  programs::Skipped skipped;
  programs::Sources sources(names, programs::all_wanted, skipped);
  programs::Batches batches(sources, config, options.decode, options.batch_size, pool.size());
  programs::InputProgress progress(names, options.quiet);
  if (options.csv) programs::print_csv({"image", "rank", "index", "label", "score", "error"});
  programs::Outcome outcome;
  const auto forward = [&](const beit::ConstRows& x) { return logits_of(model, x, workspace); };
  programs::run_batches(batches, progress, forward, [&](const programs::Item& item, std::span<const float> logits) {
    outcome.add(item);
    if (logits.empty()) return print_error(app, options, item);
    print(options, item, beit::top_k(logits, options.top_k, config.labels, config.score_function),
          config.score_function != beit::ScoreFunction::identity);
    if (files) files->write(item.path, logits);
  });
  programs::print_skipped(app, options, skipped);
  if (files) files->close();
  programs::print_timings(app, options, batches.timings());
  programs::print_unlike_demo(app, options, outcome);
  programs::print_summary(app, options, programs::names_of(outputs), outcome.done, progress.seconds());
  return outcome.status(options.strict);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Classifies images with a BEiT model.", "beit-classify");
  app.footer(
      "With --val, the folder's subfolders are classes: each is called as a label of the model (with _ for a slash),\n"
      "or there is one for each class, and none is called as a label; then they stand for the classes in sorted\n"
      "order, as in timm's validate.py.");
  app.add_option("-k,--top-k", options.top_k, "Number of classes to show per image [5]")
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
  app.add_option("--labels", options.labels,
                 "File with the names of the classes in the model's order: one per line, or JSON, as a\n"
                 "list, an object from index to name, or a model's config.json [the model's]")
      ->option_text("FILE")
      ->check(programs::not_empty());
  app.add_option("--list", options.list,
                 "File that lists images and tar files, one path per line; anything after a tab is\n"
                 "ignored; - for standard input")
      ->option_text("FILE")
      ->check(programs::not_empty());
  app.add_flag("--null", options.null,
               "The paths in --list end with zero bytes, as find -print0 writes them; found\n"
               "out from the list, too");
  auto* const val =
      app.add_option("--val", options.val,
                     "Instead of classifying images, say how often the model is right: the top-1 and top-5\n"
                     "accuracy on a folder with one subfolder per class, and each class's")
          ->option_text("FOLDER")
          ->check(programs::not_empty());
  app.add_option("--confusion", options.confusion, "Also draw the confusion matrix of --val")
      ->option_text("OUT.png")
      ->check(programs::name_in(".png"))
      ->needs(val);
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  for (const char* const other : {"--top-k", "--csv", "--logits", "--list", "IMAGE|FOLDER"}) {
    val->excludes(app.get_option(other));
  }
  app.get_option("IMAGE|FOLDER")
      ->required(false)
      ->description(
          "Image files, tar files and folders, which are searched recursively, sorted by name;\n"
          "- for a tar file from standard input");
  app.callback([&] {
    if (options.val.empty()) programs::require_inputs(options.images, options.list);
  });
  programs::add_examples(app, {"beit-classify photo.jpg", "beit-classify -m beit_base.safetensors -k 3 photos/",
                               "beit-classify -m beit_base.safetensors --csv --list names.txt > classes.csv"});
  return programs::run(app, argc, argv, [&] { return classify(app, options); });
}
