// beit-segment: says what each pixel of a photograph shows.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>
#include <beit/model/load_any.hpp>
#include <beit/model/segment.hpp>

#include "demo_segmentation_model.hpp"
#include "inputs/finite.hpp"
#include "inputs/sources.hpp"
#include "json_lines.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "per_image_output.hpp"
#include "picture_file.hpp"
#include "program.hpp"
#include "segment/segmentation_picture.hpp"
#include "segment/shares.hpp"
#include "what_the_model_sees.hpp"

namespace {

using beit::Index;

/// The files that are written for each photograph, if they are asked for.
enum Output : std::size_t { label_picture, overlay, label_array, logits };
using Files = std::array<std::filesystem::path, 4>;  // by Output

struct Options : programs::Options {
  std::array<programs::PerImageOutput, 4> outputs{{
      {"--output", ".png", programs::OutputKind::png},
      {"--overlay", ".png", programs::OutputKind::png},
      {"--npy", ".npy", programs::OutputKind::array},
      {"--logits", ".npy", programs::OutputKind::array},
  }};
  std::string as;
  Index size = 896;
  bool json = false;
};

/// Says what to write for each image. Throws ArgumentError as files_for does, or if a file would replace an image,
/// another output or somebody else's file.
std::vector<Files> files_of(const Options& options, const std::vector<programs::Item>& images) {
  std::vector<Files> files(images.size());
  std::vector<programs::OutputName> names;
  for (std::size_t kind = 0; kind < options.outputs.size(); ++kind) {
    const std::vector<std::filesystem::path> paths = programs::files_for(options.outputs[kind], images);
    for (std::size_t i = 0; i < images.size(); ++i) {
      files[i][kind] = paths[i];
      names.push_back(options.outputs[kind].named(paths[i]));
    }
  }
  programs::check_outputs(options, names);
  return files;
}

/// Makes the folders of one image's files.
void make_folders(const Options& options, const Files& files) {
  for (std::size_t kind = 0; kind < files.size(); ++kind) programs::make_folder(options.outputs[kind], files[kind]);
}

/// One photograph, and what the model says of it.
struct Result {
  beit::Image image;
  beit::Matrix logits;  // (h*w, K), (h, w) = logits_size(); none by Microsoft's rule
  beit::LabelMap map;
  std::vector<programs::ClassShare> shares;
};

class Segmenter {
 public:
  /// Throws ArgumentError if the model can't give what the options ask for.
  Segmenter(const Options& options, const beit::Executor& executor)
      : options_(options),
        model_(load(options, executor)),
        rule_(options.as.empty() ? config().rule : beit::segmentation_rule_from_name(options.as)),
        workspace_(executor) {
    workspace_.on_progress([](const beit::Progress&) {
      if (programs::stop_signal != 0) throw programs::Interrupted();  // a pass may take many seconds
    });
    if (!config().has_blocks(rule_)) {
      throw beit::ArgumentError("--as: found " + std::string(segmentation_rule_name(rule_)) + ", which reads block " +
                                std::to_string(config().blocks(rule_).back()) + " of " +
                                std::to_string(config().depth) + ", wanted " +
                                std::string(segmentation_rule_name(beit::SegmentationRule::transformers)));
    }
    if (options.outputs[label_picture].is_given() && config().num_classes > 256) {
      throw beit::ArgumentError("--output: found a model of " + std::to_string(config().num_classes) +
                                " classes, wanted at most 256, each a colour of the palette (--npy takes more)");
    }
    if (options.outputs[logits].is_given() && rule_ == beit::SegmentationRule::microsoft) {
      throw beit::ArgumentError(
          "--logits: found Microsoft's rule, whose windows have their own logits each, wanted --as transformers");
    }
  }

  const beit::SegmentationConfig& config() const { return model_->config(); }
  const programs::Timings& timings() const { return timings_; }

  /// Says what runs, as all programs do.
  void describe(const CLI::App& app) const {
    const std::string model = programs::model_text(config()) + ", as " + std::string(segmentation_rule_name(rule_));
    programs::describe(app, options_, model, config().preprocessing_for(rule_), workspace_.executor());
  }

  /// Reads and segments a photograph. Throws std::runtime_error.
  Result run(const std::string& name) {
    Result result;
    result.image =
        programs::timed(timings_.decoding, [&] { return beit::read_image(programs::path_of(name), options_.decode); });
    result.map = programs::timed(timings_.model, [&] {
      if (rule_ == beit::SegmentationRule::microsoft) {
        return beit::segment(*model_, result.image, {.as = rule_}, workspace_);
      }
      result.logits = beit::segmentation_logits(*model_, result.image, workspace_);
      programs::require_finite(name, {result.logits.data(), static_cast<std::size_t>(result.logits.size())});
      const beit::Size size{result.image.height(), result.image.width()};
      return beit::label_map(result.logits, config().logits_size(), size, workspace_);
    });
    result.shares = programs::shares_of(result.map, config().num_classes);
    return result;
  }

  /// Writes the files that have a name.
  void write(const Result& result, const Files& files) const {
    if (const auto& path = files[label_picture]; !path.empty()) {
      const std::vector<std::uint8_t> labels(result.map.values.begin(), result.map.values.end());
      write(path,
            programs::encode_palette_png(labels, result.map.size.height, result.map.size.width, config().palette));
    }
    if (const auto& path = files[overlay]; !path.empty()) {
      const programs::TextPicture picture = overlay_of(result).picture();
      write(path, programs::encode_png(picture.pixels(), picture.height(), picture.width()));
    }
    if (const auto& path = files[label_array]; !path.empty()) {
      const std::vector<std::int32_t> labels(result.map.values.begin(), result.map.values.end());
      beit::NpyWriter file(path, {result.map.size.width}, beit::NpyType::int32);
      file.write(labels);
      file.close();
    }
    if (const auto& path = files[logits]; !path.empty()) {
      const beit::Size size = config().logits_size();
      const beit::RowMajorMatrix by_class = result.logits.map().transpose();
      beit::NpyWriter file(path, {size.height, size.width});
      file.write({by_class.data(), static_cast<std::size_t>(by_class.size())});
      file.close();
    }
  }

 private:
  static std::unique_ptr<const beit::AnySegmentationModel> load(const Options& options,
                                                                const beit::Executor& executor) {
    const beit::Source source = options.model.empty()
                                    ? beit::Source(beit::MemoryFiles{programs::demo_segmentation_model(), "demo model"})
                                    : beit::Source(programs::path_of(options.model));
    return beit::load_any_segmentation_model(source, options.load_options(executor));
  }

  static void write(const std::filesystem::path& path, const std::string& bytes) {
    beit::AtomicFile file(path);
    file.write(bytes);
    file.close();
  }

  programs::SegmentationPicture overlay_of(const Result& result) const {
    std::vector<programs::LegendLine> legend;
    for (const auto& [index, share] : result.shares) {
      legend.push_back(
          {config().palette[static_cast<std::size_t>(index)], beit::label_of(config().labels, index), share});
    }
    const beit::Image image = programs::enlarged(result.image, options_.size, beit::Interpolation::bicubic);
    return {image, result.map, config().palette, std::move(legend)};
  }

  const Options& options_;
  std::unique_ptr<const beit::AnySegmentationModel> model_;
  beit::SegmentationRule rule_;
  beit::Workspace workspace_;
  programs::Timings timings_;
};

/// Prints the classes of one photograph and their shares of its pixels.
void print(const Options& options, const std::string& name, const Result& result,
           const std::vector<std::string>& labels) {
  if (!options.json) {
    std::cout << programs::one_line(name) << '\n' << std::fixed << std::setprecision(2);
    for (const auto& [index, share] : result.shares) {
      std::cout << std::setw(8) << 100 * share << " %  " << programs::one_line(beit::label_of(labels, index)) << '\n';
    }
    return;
  }
  programs::FloatJson classes = programs::FloatJson::array();
  for (const auto& [index, share] : result.shares) {
    classes.push_back(
        {{"index", index}, {"label", beit::label_of(labels, index)}, {"share", static_cast<float>(share)}});
  }
  programs::FloatJson object{
      {"image", name}, {"height", result.map.size.height}, {"width", result.map.size.width}, {"classes", classes}};
  programs::note_demo(options, object);
  programs::print_json(object);
}

void print_error(const CLI::App& app, const Options& options, const std::string& name, const std::string& error) {
  const std::string begin = name + ": ", reason = error.starts_with(begin) ? error.substr(begin.size()) : error;
  programs::print_error(app, begin + reason);
  if (options.json) programs::print_json({{"image", name}, {"error", reason}});
}

int segment_images(const CLI::App& app, const Options& options) {
  programs::Skipped skipped;
  const std::vector<programs::Item> items = programs::list_images(options.images, skipped);
  programs::print_skipped(app, options, skipped);
  programs::Outcome outcome;
  std::vector<programs::Item> images;
  for (const programs::Item& item : items) {
    if (item.error.empty()) {
      images.push_back(item);
    } else {
      print_error(app, options, item.path, item.error);
      outcome.add(item);
    }
  }
  if (images.empty()) return 1;
  const std::vector<Files> files = files_of(options, images);
  beit::ThreadPool pool(options.threads);
  Segmenter segmenter(options, pool);
  make_folders(options, files.front());
  for (const std::filesystem::path& path : files.front()) {
    if (!path.empty()) beit::AtomicFile{path};  // refuses a name that can't be written before the work
  }
  segmenter.describe(app);

  programs::Progress progress(options.quiet);
  progress.set_total(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (programs::stop_signal != 0) throw programs::Interrupted();
    programs::Item item = images[i];
    std::optional<Result> result;
    try {
      result = segmenter.run(item.path);
    } catch (const std::runtime_error& error) {
      item.error = programs::for_users(error.what());
    }
    if (programs::stop_signal != 0) throw programs::Interrupted();
    progress.clear();
    if (result) {
      make_folders(options, files[i]);
      segmenter.write(*result, files[i]);
      print(options, item.path, *result, segmenter.config().labels);
    } else {
      print_error(app, options, item.path, item.error);
    }
    outcome.add(item);
    progress.show(i + 1, i + 1, 1);
  }
  progress.clear();
  programs::print_timings(app, options, segmenter.timings());
  std::vector<std::string> names;
  for (const programs::PerImageOutput& output : options.outputs) names.push_back(output.name);
  programs::print_summary(app, options, names, outcome.done, progress.seconds());
  return outcome.status(options.strict);
}

/// Adds an option for a file of each photograph.
void add_output(CLI::App& app, Options& options, const char* names, Output kind, const std::string& description) {
  programs::PerImageOutput& output = options.outputs[kind];
  const std::string file = std::string("OUT") + output.extension;
  app.add_option(names, output.name, description)->option_text(file + "|OUT")->check(programs::output_path());
}

/// Throws a usage error unless the names of the outputs are of their kinds.
void require_names(const Options& options) {
  for (const programs::PerImageOutput& output : options.outputs) {
    if (output.is_given()) programs::require_name(output, options.images);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::vector<std::string> rules;
  for (const beit::SegmentationRule rule : beit::segmentation_rules) {
    rules.emplace_back(beit::segmentation_rule_name(rule));
  }
  CLI::App app("Says what each pixel of a photograph shows, with a BEiT model for semantic segmentation.",
               "beit-segment");
  app.footer(
      "Prints the classes that are there and their shares of the pixels. A label map has the number of the class for\n"
      "each pixel of the photograph. Two publishers use the same weights by different rules (--as), which give\n"
      "different labels.");
  add_output(app, options, "-o,--output", label_picture,
             "Label map to write: a picture whose pixels are indices into a palette, one colour per\n"
             "class; a name without .png is that of a folder with one for each image, with the names\n"
             "of the images; likewise below");
  add_output(app, options, "--overlay", overlay,
             "Picture to write: the photograph, the same under the colours of its classes, a legend");
  add_output(app, options, "--npy", label_array, "Label map to write as int32 (height, width)");
  add_output(app, options, "--logits", logits,
             "Logits to write as float32 (classes, rows, columns), before they are enlarged to the\n"
             "photograph's size");
  app.add_option("--size", options.size, "Length of the photograph's longer side in --overlay, in pixels [896]")
      ->option_text("N")
      ->check(CLI::Range(160, 4096));
  app.add_flag("--json", options.json, "Print one JSON object per image, each on its own line");
  app.add_option("--as", options.as,
                 "Whose rule to follow, with the same weights [that of the model's publisher]:\n"
                 "transformers  the whole photograph in one pass, squashed\n"
                 "microsoft     overlapping windows of the photograph in its own shape, and later blocks")
      ->option_text("PUBLISHER")
      ->check(CLI::IsMember(rules));
  app.add_option("--labels", options.labels,
                 "File with the names of the classes in the model's order: one per line, or JSON, as a\n"
                 "list, an object from index to name, or a model's config.json [the model's]")
      ->option_text("FILE")
      ->check(programs::not_empty());
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  app.remove_option(app.get_option("--batch-size"));
  app.get_option("--model")->description(
      "Segmentation model: a folder with Hugging Face's BeitForSemanticSegmentation, or a file\n"
      "that convert.py made [a small demo model that knows ten kinds of clothes]");
  options.batch_size = 1;
  app.callback([&options] { require_names(options); });
  programs::add_examples(app, {"beit-segment photo.jpg", "beit-segment -o labels.png --overlay overlay.png photo.jpg",
                               "beit-segment --json --npy labels/ photos/"});
  return programs::run(app, argc, argv, [&] { return segment_images(app, options); });
}
