// beit-train-head: trains a new head for a model on a folder of labelled images.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <exception>
#include <iomanip>
#include <iostream>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <beit/beit.hpp>
#include <beit/io/json.hpp>
#include <beit/io/weight_files.hpp>
#include <beit/transfer/cross_validation.hpp>
#include <beit/transfer/linear_probe.hpp>
#include <beit/transfer/nearest.hpp>
#include <beit/transfer/save_head.hpp>

#include "demo_model.hpp"
#include "embed/hash.hpp"
#include "inputs/batches.hpp"
#include "inputs/input_progress.hpp"
#include "inputs/item.hpp"
#include "paths.hpp"
#include "program.hpp"
#include "train_head/dataset.hpp"
#include "train_head/embedding_cache.hpp"
#include "train_head/evaluation.hpp"

namespace {

using beit::Index;

struct Options : programs::Options {
  std::string data, val, output, confusion, cache;
  double val_fraction = 0.2;
  double C = 0;  // 0 means chosen by cross-validation
  std::string class_weights = "none";
  bool knn = false, no_cache = false;
  Index k = 20;
  double temperature = 0.07;
  unsigned seed = 0;
};

/// The embeddings and labels of the images that could be read.
struct Embedded {
  beit::Matrix features;      // (n, C)
  std::vector<Index> labels;  // (n,)
};

/// A pool that throws Interrupted after a signal.
struct InterruptiblePool {
  beit::ThreadPool& pool;
  Index size() const { return pool.size(); }
  template <typename Task>
  void parallel_for(Index count, const Task& task) {
    if (programs::stop_signal != 0) throw programs::Interrupted();
    pool.parallel_for(count, task);
  }
};

/// Splits each class's rows, shuffled in an order that depends on the seed alone; the first ones are held out.
void split(const std::vector<Index>& labels, const std::vector<std::string>& classes, const Options& options,
           std::vector<Index>& train, std::vector<Index>& held_out) {
  std::mt19937 random(options.seed);
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::vector<Index> rows;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == static_cast<Index>(c)) rows.push_back(static_cast<Index>(i));
    }
    if (rows.size() < 2) {
      throw std::runtime_error("class '" + classes[c] +
                               "': found 1 image, wanted at least 2, one to train on and one to test on (or --val)");
    }
    for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random() % i]);
    const double share = std::round(static_cast<double>(rows.size()) * options.val_fraction);
    const auto count = std::clamp<Index>(static_cast<Index>(share), 1, static_cast<Index>(rows.size()) - 1);
    held_out.insert(held_out.end(), rows.begin(), rows.begin() + count);
    train.insert(train.end(), rows.begin() + count, rows.end());
  }
  std::sort(train.begin(), train.end());
  std::sort(held_out.begin(), held_out.end());
}

Embedded select(const Embedded& from, const std::vector<Index>& rows) {
  Embedded result{beit::Matrix(static_cast<Index>(rows.size()), from.features.cols()), {}};
  for (const Index row : rows) {
    result.features.map().row(static_cast<Index>(result.labels.size())) = from.features.map().row(row);
    result.labels.push_back(from.labels[static_cast<std::size_t>(row)]);
  }
  return result;
}

/// Hashes each image's file, on `executor`. The hash is "" if the file can't be read; reading the image then says why.
std::vector<programs::EmbeddingCache::Key> keys_of(const std::vector<programs::Item>& items,
                                                   const beit::Executor& executor) {
  std::vector<programs::EmbeddingCache::Key> keys(items.size());
  executor.for_each(static_cast<Index>(keys.size()), [&](Index i, Index) {
    const auto at = static_cast<std::size_t>(i);
    try {
      programs::Hash hash;
      programs::add_file(hash, programs::path_of(items[at].path));
      keys[at] = hash.hex();
    } catch (const beit::FileError&) {
    }
  });
  return keys;
}

/// Computes the embeddings that are missing from the cache and adds them. For an image that can't be read, sets the key
/// to "" and prints a line to standard error. Counts in `outcome` what the demo model can't judge.
void fill(programs::EmbeddingCache& cache, const CLI::App& app, const Options& options, const beit::AnyBeit& model,
          const std::vector<programs::Item>& items, std::vector<programs::EmbeddingCache::Key>& keys,
          beit::Workspace& workspace, programs::Outcome& outcome) {
  std::vector<programs::Item> missing;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i].empty() && cache.find(keys[i]) != nullptr) continue;
    missing.push_back(items[i]);
    places.push_back(i);
  }
  if (missing.empty()) return;
  programs::InputProgress progress(missing.size(), options.quiet);
  programs::ItemList list(std::move(missing));
  programs::Batches batches(list, model.config(), options.decode, options.batch_size, workspace.executor().size());
  const auto forward = [&](const beit::ConstRows& x) { return beit::embed(model, x, workspace); };
  auto place = places.begin();
  programs::run_batches(batches, progress, forward, [&](const programs::Item& item, std::span<const float> row) {
    programs::EmbeddingCache::Key& key = keys[*place++];
    if (!row.empty()) {
      cache.add(key, row.data());
      outcome.compare_with_demo(item);
    } else {
      programs::print_error(app, item.path + ": " + item.error);
      key.clear();
    }
  });
  programs::print_timings(app, options, batches.timings());
}

/// Returns the embeddings of a data set, from the cache as far as it has them. For an image that can't be read, prints
/// a line to standard error. Counts the images in `outcome`.
Embedded embed(const CLI::App& app, const Options& options, const beit::AnyBeit& model, const programs::DataSet& data,
               programs::EmbeddingCache& cache, beit::Workspace& workspace, programs::Outcome& outcome) {
  std::vector<programs::EmbeddingCache::Key> keys = [&] {
    const programs::Step step("looking for known images among " + std::to_string(data.items.size()), options.quiet);
    return keys_of(data.items, workspace.executor());
  }();
  fill(cache, app, options, model, data.items, keys, workspace, outcome);
  const Index dim = model.config().embed_dim;
  const auto unread = std::count(keys.begin(), keys.end(), "");
  Embedded result{beit::Matrix(static_cast<Index>(keys.size()) - unread, dim), {}};
  std::vector<bool> seen(data.classes.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ++(!keys[i].empty() ? outcome.done : data.items[i].unseen ? outcome.unseen : outcome.broken);
    if (keys[i].empty()) continue;
    std::copy_n(cache.find(keys[i]), dim, result.features.row(static_cast<Index>(result.labels.size())));
    result.labels.push_back(data.labels[i]);
    seen[static_cast<std::size_t>(data.labels[i])] = true;
  }
  const auto unseen = std::find(seen.begin(), seen.end(), false);
  if (unseen != seen.end()) {
    throw std::runtime_error("class '" + data.classes[static_cast<std::size_t>(unseen - seen.begin())] +
                             "': none of its images can be read");
  }
  return result;
}

/// Opens the files that beit::load reads, for their tensors.
std::vector<beit::SafeTensors> open_weights(const Options& options) {
  if (!options.model.empty()) return beit::open_weight_files(programs::path_of(options.model));
  std::vector<beit::SafeTensors> files;
  files.push_back(beit::SafeTensors::from_memory(programs::demo_model(), "demo model"));
  return files;
}

/// The backbone's licence, or "unknown" if its file doesn't give one. A configuration of transformers that this program
/// wrote has it beside its other keys.
std::string license_of(const beit::SafeTensors& file) {
  const auto found = file.metadata().find("beit.config");
  if (found == file.metadata().end()) return "unknown";
  const nlohmann::json json = beit::parse_json(found->second, file.name());
  return json.value("/pretrained_cfg/license"_json_pointer, json.value("license", "unknown"));
}

/// Prints what cross-validation found for each strength of the penalty.
void print_trials(const beit::CrossValidation& found, Index folds) {
  std::cout << "       C      loss  accuracy (" << folds << "-fold cross-validation)\n";
  for (const auto& [C, loss, accuracy] : found.trials) {
    std::cout << std::setw(8) << std::defaultfloat << std::setprecision(6) << C << std::setw(10) << std::fixed
              << std::setprecision(4) << loss << std::setw(8) << std::setprecision(2) << 100 * accuracy << " %"
              << (C == found.best_C ? "  <-" : "") << '\n';
  }
  std::cout << '\n';
}

beit::LinearProbe train(const Embedded& data, Index classes, const Options& options, const beit::Executor& executor) {
  beit::LinearProbeOptions probe;
  probe.standardise = true;
  if (options.class_weights == "balanced") probe.class_weights = beit::balanced_class_weights(data.labels, classes);
  probe.C = options.C;
  if (options.C == 0) {
    const Index folds = std::min<Index>(5, data.features.rows());
    probe.tolerance = 1e-4;  // enough for choosing C
    const beit::CrossValidation found = [&] {
      const programs::Step step("choosing C by cross-validation", options.quiet);
      return beit::cross_validate(data.features, data.labels, classes, probe, folds, options.seed, executor);
    }();
    probe.C = found.best_C;
    probe.tolerance = beit::LinearProbeOptions().tolerance;
    if (!options.quiet) print_trials(found, folds);
  }
  const programs::Step step("training", options.quiet);
  return beit::LinearProbe(data.features, data.labels, classes, probe, executor);
}

/// Everything that embeddings depend on, except the image.
std::string cache_identity(const Options& options, beit::PassOrder pass_order) {
  return programs::fingerprint(options, programs::demo_model()) + " " + options.precision + " " +
         std::string(programs::kernels_name()) + " " + std::string(beit::pass_order_name(pass_order)) +
         (options.decode.apply_exif_orientation ? " upright" : "") +
         (options.decode.allow_truncated ? " truncated" : "") + " max_pixels " +
         std::to_string(options.decode.max_pixels) + (BEIT_USE_LIBJPEG_TURBO ? " libjpeg-turbo" : "");
}

/// The folders that the options name. Without --val, `val` has no classes.
struct Data {
  programs::DataSet data, val;
};

/// Leaves out the classes without images, with a line on standard error for each. Throws std::runtime_error if fewer
/// than two classes are left.
void drop_empty_classes(const CLI::App& app, const Options& options, const std::string& folder,
                        programs::DataSet& data) {
  for (const std::string& name : data.drop_empty_classes()) {
    programs::print_note(app, options, folder + ": class '" + name + "': found no image files: left out");
  }
  if (data.classes.size() < 2) {
    throw std::runtime_error(folder + ": found " + programs::counted(std::ssize(data.classes), "subfolder") +
                             " with images, wanted at least 2, one per class");
  }
}

Data read_data(const CLI::App& app, const Options& options) {
  programs::Skipped skipped;
  Data result{programs::read_data_set(programs::path_of(options.data), skipped), {}};
  drop_empty_classes(app, options, options.data, result.data);
  if (!options.val.empty()) {
    result.val = programs::read_data_set(programs::path_of(options.val), skipped);
    drop_empty_classes(app, options, options.val, result.val);
    programs::require_same_classes(result.data.classes, result.val.classes, options.val);
  }
  programs::print_skipped(app, options, skipped);
  return result;
}

/// The embeddings to train on and to test on.
struct Split {
  Embedded train, test;
};

/// Embeds the data and splits it. For an image that can't be read, prints a line to standard error.
Split embed_and_split(const CLI::App& app, const Options& options, const beit::AnyBeit& model, const Data& data,
                      beit::Workspace& workspace, programs::Outcome& outcome) {
  programs::EmbeddingCache cache(programs::path_of(options.no_cache ? "" : options.cache),
                                 cache_identity(options, model.config().preprocessing.pass_order),
                                 model.config().embed_dim);
  const auto keep = [&] {
    try {
      if (!options.no_cache) cache.save();
    } catch (const std::exception& error) {
      programs::print_error(app, "can't keep the embeddings: " + programs::for_users(error.what()));
    }
  };
  Split result;
  try {
    result.train = embed(app, options, model, data.data, cache, workspace, outcome);
    if (!options.val.empty()) result.test = embed(app, options, model, data.val, cache, workspace, outcome);
  } catch (...) {
    keep();  // what was embedded before a signal or an error
    throw;
  }
  keep();
  if (options.val.empty()) {
    std::vector<Index> train_rows, test_rows;
    split(result.train.labels, data.data.classes, options, train_rows, test_rows);
    result.test = select(result.train, test_rows);
    result.train = select(result.train, train_rows);
  }
  return result;
}

/// Reports how good the predictions (n,) are, in words and as a picture.
void report(const Options& options, const std::vector<Index>& truth, const std::vector<Index>& predicted,
            const std::vector<std::string>& classes) {
  const programs::Confusion confusion(truth, predicted, classes.size());
  std::cout << "accuracy " << programs::accuracy_text(confusion.right(), confusion.total()) << "\n\n";
  programs::print_classes(std::cout, confusion, classes);
  if (options.confusion.empty()) return;
  beit::AtomicFile file(programs::path_of(options.confusion));
  file.write(programs::ConfusionPicture(confusion, classes).png());
  file.close();
}

int train_head(const CLI::App& app, const Options& options) {
  const Data data = read_data(app, options);
  const std::vector<std::string>& classes = data.data.classes;
  std::vector<std::string> inputs = programs::inputs_of(options.data, data.data);
  for (std::string& input : programs::inputs_of(options.val, data.val)) inputs.push_back(std::move(input));
  programs::check_outputs(options,
                          {{"--output", programs::path_of(options.output), programs::OutputKind::model},
                           {"--confusion", programs::path_of(options.confusion), programs::OutputKind::png}},
                          std::move(inputs));
  // Names that can't be written, and a model that can't be copied, are refused before the work.
  if (!options.output.empty()) beit::AtomicFile(programs::path_of(options.output));
  if (!options.confusion.empty()) {
    programs::require_drawable(classes.size());
    beit::AtomicFile(programs::path_of(options.confusion));
  }
  std::vector<beit::SafeTensors> weights;
  if (!options.knn) weights = open_weights(options);

  beit::ThreadPool threads(options.threads);
  const auto loaded = programs::load_features(app.get_name(), options, threads);
  const beit::AnyBeit& model = *loaded;
  const beit::Config& config = model.config();
  if (!options.knn) beit::require_savable(weights, config);
  InterruptiblePool pool{threads};
  beit::Workspace workspace(pool);
  programs::describe(app, options, programs::model_text(config), config.preprocessing, workspace.executor());
  programs::Outcome outcome;
  const auto [train_on, test] = embed_and_split(app, options, model, data, workspace, outcome);
  if (!options.quiet) {
    std::cout << classes.size() << " classes; images: " << train_on.labels.size() << " for training, "
              << test.labels.size() << " for testing\n\n";
  }

  const auto count = static_cast<Index>(classes.size());
  if (options.knn) {
    const beit::KnnClassifier knn(train_on.features, train_on.labels, count, options.k, options.temperature);
    report(options, test.labels, knn.predict(test.features, workspace.executor()), classes);
  } else {
    const beit::LinearProbe probe = train(train_on, count, options, workspace.executor());
    report(options, test.labels, probe.predict(test.features), classes);
    const programs::Step step("writing " + options.output, options.quiet);
    beit::save_with_head(programs::path_of(options.output), weights, config, probe.weight(), probe.bias(), classes,
                         license_of(weights.front()));
  }
  programs::print_unlike_demo(app, options, outcome);
  programs::print_summary(app, options, {options.output, options.confusion}, outcome.done,
                          programs::seconds_since_start());
  return outcome.status(options.strict);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.cache = programs::name_of(programs::default_cache_folder());
  CLI::App app("Trains a new head for a BEiT model on a folder of images with one subfolder per class.",
               "beit-train-head");
  app.add_option("--data", options.data,
                 "Folder of images to train on, with one subfolder per class, searched recursively")
      ->option_text("FOLDER")
      ->check(programs::not_empty())
      ->required();
  CLI::Option* const output = app.add_option("-o,--output", options.output,
                                             "Model file to write: the unchanged backbone, the new head and its labels")
                                  ->option_text("NEW.safetensors")
                                  ->check(programs::name_in(".safetensors"));
  app.add_flag("--knn", options.knn, "Evaluate a k-nearest-neighbour classifier instead of training a head")
      ->excludes(output);
  CLI::Option* const val =
      app.add_option("--val", options.val,
                     "Folder of images to test on, with the same classes [a held-out part of --data]")
          ->option_text("FOLDER")
          ->check(programs::not_empty());
  app.add_option("--val-fraction", options.val_fraction, "Fraction of each class to hold out [0.2]")
      ->option_text("F")
      ->check(CLI::Range(0.01, 0.99))
      ->check(programs::not_nan())
      ->excludes(val);
  app.add_option("--confusion", options.confusion, "Also draw the confusion matrix")
      ->option_text("OUT.png")
      ->check(programs::name_in(".png"));
  app.add_option("--C", options.C,
                 "Inverse strength of the L2 penalty, as in scikit-learn [chosen by cross-validation]")
      ->option_text("C")
      ->check(CLI::Range(1e-9, 1e9))
      ->check(programs::not_nan());
  app.add_option("--class-weights", options.class_weights,
                 "Weights of the classes: none, or balanced so that rare classes count as much as common\n"
                 "ones [none]")
      ->option_text("HOW")
      ->check(CLI::IsMember({"none", "balanced"}));
  app.add_option("--k", options.k, "Number of neighbours for --knn [20]")
      ->option_text("K")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--temperature", options.temperature, "Softmax temperature of the neighbours' votes for --knn [0.07]")
      ->option_text("T")
      ->check(CLI::Range(1e-4, 1e4))
      ->check(programs::not_nan());
  app.add_option("--seed", options.seed, "Seed for the choice of the images to hold out [0]")->option_text("N");
  CLI::Option* const cache =
      app.add_option("--cache", options.cache, "Folder in which to keep embeddings [~/.cache/beit]")
          ->option_text("FOLDER")
          ->check(programs::not_empty());
  app.add_flag("--no-cache", options.no_cache, "Compute all embeddings anew and keep none")->excludes(cache);
  programs::add_options(app, options, false);
  app.callback([&] {
    if (!options.knn && options.output.empty()) throw CLI::RequiredError("--output or --knn");
  });
  programs::add_examples(app, {"beit-train-head --data photos/ --output new.safetensors",
                               "beit-train-head -m beit_base.safetensors --data photos/ --knn",
                               "beit-classify -m new.safetensors photo.jpg"});
  return programs::run(app, argc, argv, [&] { return train_head(app, options); });
}
