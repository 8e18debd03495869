// The options that the programs share, and how a program starts and ends.
#pragma once

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#if defined(_WIN32)
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#include <windows.h>
#endif

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "inputs/braces.hpp"
#include "inputs/skipped.hpp"
#include "inputs/stop.hpp"
#include "model.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "preprocessing_text.hpp"

namespace programs {

struct Options : ModelOptions {
  int threads = 0;
  beit::Index batch_size = 8;
  beit::DecodeOptions decode;
  bool verbose = false;
  std::vector<std::string> images;
};

/// Checks an option that names a file to write. `extension` includes the dot: ".npy".
inline CLI::Validator name_in(const std::string& extension) {
  return CLI::Validator(
      [extension](const std::string& name) {
        return path_of(name).extension() == extension ? std::string()
                                                      : "found '" + name + "', wanted a name in " + extension;
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
      ->check(CLI::Validator(
          [](const std::string& path) { return path.empty() ? std::string("found '', wanted a path") : std::string(); },
          ""));
  app.add_option("--preprocessing", options.preprocessing,
                 "JSON file that says how images become the model's input, in place of the model's own: as\n"
                 "Hugging Face's preprocessor_config.json with image_processor_type, or timm's config.json")
      ->option_text("FILE");
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
                 "float-fast  16 bits of precision on processors with AMX, elsewhere the same as float\n"
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
  add_quiet(app, options.quiet);
  app.add_flag("-v,--verbose", options.verbose,
               "Print the model, the kernels and the threads in use to standard error");
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

/// Describes a model for --verbose: "beit_base_patch16_224: image 224x224, patch 16x16, ...".
inline std::string model_text(const beit::TrunkConfig& config) {
  return one_line(config.architecture.empty() ? "beit" : config.architecture) + ": image " +
         size_text(config.image_size) + ", patch " + size_text(config.patch_size) + ", width " +
         std::to_string(config.embed_dim) + ", depth " + std::to_string(config.depth) + ", heads " +
         std::to_string(config.num_heads);
}
inline std::string model_text(const beit::Config& config) {
  const beit::TrunkConfig& trunk = config;
  return model_text(trunk) + ", classes " + std::to_string(config.num_classes);
}
inline std::string model_text(const beit::MaskedImageConfig& config) {
  const beit::TrunkConfig& trunk = config;
  return model_text(trunk) + ", visual tokens " + std::to_string(config.vocab_size);
}

/// Prints what runs to standard error, for --verbose: a line on the model, whose text is that of model_text, and one on
/// how images become its input.
inline void describe(const CLI::App& app, const Options& options, const std::string& model,
                     const beit::Preprocessing& preprocessing, const beit::Executor& executor) {
  std::cerr << app.get_name() << ": " << one_line(options.model.empty() ? "demo model" : "model " + options.model)
            << " (" << model << "), precision " << options.precision << ", kernels " << kernels_name() << ", threads "
            << executor.size() << ", batch size " << options.batch_size << '\n'
            << app.get_name() << ": preprocessing "
            << one_line(options.preprocessing.empty() ? "of the model"
                                                      : "from --preprocessing " + options.preprocessing)
            << ": " << preprocessing_text(preprocessing) << '\n';
}

inline void print_error(const CLI::App& app, const std::string& text) {
  std::cerr << one_line(app.get_name() + ": " + text) << std::endl;
}

/// Says in a message of the library which program reads a file, instead of which function does.
inline std::string for_users(std::string text) {
  struct Row {
    std::string_view library, programs;
  };
  static constexpr Row rows[] = {
      {"load_masked_image_model reads", "beit-mask reads"},
      {"load_tokenizer reads", "beit-mask --tokenizer reads"},
      {"load reads", "beit-embed reads"},
      {": LoadOptions::features_only reads its trunk", ""},
      {"LoadOptions::preprocessing", "--preprocessing"},
  };
  for (const auto& [library, programs] : rows) {
    if (const std::size_t at = text.find(library); at != text.npos) text.replace(at, library.size(), programs);
  }
  return text;
}

/// Prints to standard error what is worth knowing and no error, unless --quiet is given.
inline void print_note(const CLI::App& app, const Options& options, const std::string& text) {
  if (!options.quiet) print_error(app, text);
}

/// Notes what was skipped, if anything was.
inline void print_skipped(const CLI::App& app, const Options& options, const Skipped& skipped) {
  if (!skipped.empty()) print_note(app, options, skipped.text());
}

/// Makes the first signal end the program after the current batch, and a second one at once.
inline void catch_signal(int signal) {
  const auto stop = [](int received) {
    stop_signal = received;
    std::signal(received, SIG_DFL);
  };
  if (std::signal(signal, stop) == SIG_IGN) std::signal(signal, SIG_IGN);
}

/// Parses the options and runs `body`, which returns the exit status. The status is 2 after a usage error and 1 after
/// any other error, each of which prints one line to standard error.
template <typename Body>
int run(CLI::App& app, int argc, char** argv, const Body& body) {
#if defined(_WIN32)
  SetConsoleOutputCP(CP_UTF8);             // arguments are UTF-8 too: cmake/utf8.manifest
  app.allow_windows_style_options(false);  // /photos is a path
#endif
  app.get_formatter()->column_width(32);
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.set_version_flag("--version", app.get_name() + " " BEIT_VERSION, "Show the version and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    print_error(app, std::string(error.what()) + " (see --help)");
    return 2;
  }
  for (const int signal : {SIGINT, SIGTERM}) catch_signal(signal);
#if !defined(_WIN32)
  for (const int signal : {SIGHUP, SIGPIPE}) catch_signal(signal);
#endif
  try {
    return body();
  } catch (const Interrupted&) {
    // Ends by the signal, as if it had not been caught, so that shells and callers see the reason.
    std::signal(stop_signal, SIG_DFL);
    std::raise(stop_signal);
  } catch (const std::bad_alloc&) {
    print_error(app, "out of memory");
  } catch (const std::exception& error) {
    print_error(app, for_users(error.what()));
  }
  return 1;
}

}  // namespace programs
