// The options that the programs share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "inputs/braces.hpp"
#include "model.hpp"
#include "output_check.hpp"
#include "paths.hpp"

namespace programs {

struct Options : ModelOptions {
  int threads = 0;
  beit::Index batch_size = 8;
  beit::DecodeOptions decode;
  bool verbose = false;
  bool strict = false;  // whether one image that can't be read makes the exit status 1
  bool force = false;   // whether to replace files that none of the programs wrote
  std::vector<std::string> images;
};

/// Notes in a JSON object that the demo model was at work, if it was, and in what the object's image differs from those
/// that it learned from.
template <typename Object>
void note_demo(const ModelOptions& options, Object& object, const std::string& unlike = {}) {
  if (!options.model.empty()) return;
  object[demo_key] = true;
  if (!unlike.empty()) object[unlike_demo_key] = unlike;
}

/// Checks an option that names a file to write. `extension` includes the dot: ".npy".
inline CLI::Validator name_in(const std::string& extension) {
  return CLI::Validator(
      [extension](const std::string& name) {
        return path_of(name).extension() == extension ? std::string()
                                                      : "found '" + name + "', wanted a name in " + extension;
      },
      "");
}

/// Checks that an option's path isn't empty.
inline CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& path) { return path.empty() ? std::string("found '', wanted a path") : std::string(); },
      "");
}

/// Checks the name of a file or folder to write: no program writes its files to standard output.
inline CLI::Validator output_path() {
  return CLI::Validator(
      [](const std::string& path) {
        return path.empty() || path == "-"
                   ? "found '" + path + "', wanted a path" + (path.empty() ? "" : " (such as ./-)")
                   : std::string();
      },
      "");
}

/// Checks that an option's number isn't NaN, which CLI::Range lets through.
inline CLI::Validator not_nan() {
  return CLI::Validator(
      [](const std::string& text) {
        return std::isnan(std::strtod(text.c_str(), nullptr)) ? "found '" + text + "', wanted a number" : std::string();
      },
      "");
}

/// Parses "384" or "320x480", height first. Returns nothing for any other text.
inline std::optional<beit::Size> parse_image_size(const std::string& text) {
  const auto side = [](std::string_view digits) -> beit::Index {
    if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != digits.npos) return 0;
    return std::stoll(std::string(digits));
  };
  const std::size_t x = text.find('x');
  const beit::Size size{side(text.substr(0, x)), side(x == text.npos ? text : text.substr(x + 1))};
  return size.height > 0 && size.width > 0 ? std::optional(size) : std::nullopt;
}

/// Adds --image-size, for programs that only run a model.
inline void add_image_size(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--image-size", [&options](const std::string& text) { options.image_size = *parse_image_size(text); },
         "Height and width to which images are resized, multiples of the model's patch size;\n"
         "positions are resampled as the model's library does, timm or transformers\n"
         "[the size that the model was trained for]")
      ->option_text("SIZE|HxW")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return parse_image_size(text) ? std::string()
                                          : "found '" + text + "', wanted a size such as 384 or 320x480";
          },
          ""));
}

/// Adds --quiet.
inline void add_quiet(CLI::App& app, bool& quiet) {
  app.add_flag("-q,--quiet", quiet, "Print results and errors alone: no progress, no notes and no summary");
}

/// Adds the options that all programs have, merge too, about what counts as a failure.
inline void add_status_options(CLI::App& app, Options& options) {
  app.add_flag("--strict", options.strict, "Exit with status 1 if any image can't be read");
  app.add_flag("-f,--force", options.force, "Replace existing files even if none of these programs wrote them");
}

/// Adds the options that all programs share, and the images unless the program takes none or has its own option.
inline void add_options(CLI::App& app, Options& options, bool takes_images = true) {
  std::vector<std::string> names, orders;
  for (const beit::Precision precision : beit::precisions) names.emplace_back(beit::precision_name(precision));
  for (const beit::PassOrder order : beit::pass_orders) orders.emplace_back(beit::pass_order_name(order));
  if (takes_images) {
    app.add_option("IMAGE|FOLDER", options.images,
                   "Image files and folders, which are searched recursively, sorted by name")
        ->option_text(" ")
        ->required();
    app.parse_complete_callback([&options] {
      try {
        options.images = expand_braces(options.images);
      } catch (const beit::ArgumentError& error) {
        throw CLI::ValidationError(error.what());
      }
    });
  }
  app.add_option("-m,--model", options.model,
                 "Weights (.safetensors), or a folder with model.safetensors and config.json\n"
                 "[a small demo model that knows ten kinds of clothes]")
      ->option_text("PATH")
      ->check(not_empty());
  app.add_option("--preprocessing", options.preprocessing,
                 "JSON file that says how images become the model's input, in place of the model's own: as\n"
                 "Hugging Face's preprocessor_config.json with image_processor_type, or timm's config.json")
      ->option_text("FILE")
      ->check(not_empty());
  app.add_option("--pass-order", options.pass_order,
                 "Order in which images are resized across and down, on which a few values depend\n"
                 "[the model's, pillow_13 if it names none]:\n"
                 "pillow_13     as Pillow 13.0 does\n"
                 "across_first  as Pillow up to 12.1 did, to go with features that were stored then")
      ->option_text("ORDER")
      ->check(CLI::IsMember(orders));
  app.add_option("--precision", options.precision,
                 "Number type in which matrices are stored and multiplied [float]:\n"
                 "float       single precision\n"
                 "float-fast  16 bits of precision with AMX; elsewhere float, in segmentation 2 bits less\n"
                 "bfloat16    8 bits of precision, half the memory\n"
                 "int8        8-bit integers, a quarter of the memory")
      ->option_text("TYPE")
      ->check(CLI::IsMember(names));
  app.add_option("-j,--threads", options.threads, "Number of threads; 0 means one per processor [0]")
      ->option_text("N")
      ->check(CLI::Range(0, 1024));
  app.add_option("-b,--batch-size", options.batch_size, "Images per batch; larger batches take more memory [8]")
      ->option_text("B")
      ->check(CLI::Range(1, 65536));
  app.add_option("--max-pixels", options.decode.max_pixels, "Refuse images of more than N pixels [178956970]")
      ->option_text("N")
      ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()));
  app.add_flag("--apply-exif-orientation", options.decode.apply_exif_orientation,
               "Turn photographs upright as their EXIF data says; timm doesn't, and Hugging Face's\n"
               "pipeline does");
  app.add_flag("--allow-truncated", options.decode.allow_truncated,
               "Accept truncated JPEGs, as Pillow does with LOAD_TRUNCATED_IMAGES");
  add_status_options(app, options);
  add_quiet(app, options.quiet);
  app.add_flag("-v,--verbose", options.verbose,
               "Print to standard error the model, its preprocessing, the kernels, the threads, and how\n"
               "long each part took");
}

/// Refuses outputs that are inputs or somebody else's files, as check_outputs does. `own` are the inputs of this
/// program besides those that all programs have.
inline void check_outputs(const Options& options, const std::vector<OutputName>& outputs,
                          std::vector<std::string> own = {}) {
  own.insert(own.end(), options.images.begin(), options.images.end());
  own.insert(own.end(), {options.model, options.preprocessing});
  check_outputs(outputs, own, options.force);
}

/// Throws a usage error if a program that also reads tar files and lists has nothing to read, or would read standard
/// input twice.
inline void require_inputs(const std::vector<std::string>& images, const std::string& list) {
  if (images.empty() && list.empty()) {
    throw CLI::ValidationError("found no images, wanted IMAGE|FOLDER or --list");
  }
  if (std::count(images.begin(), images.end(), "-") + (list == "-" ? 1 : 0) > 1) {
    throw CLI::ValidationError("found - (standard input) more than once");
  }
}

}  // namespace programs
