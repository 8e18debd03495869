// The options that the programs share, and how they start and end.
#pragma once

#include <algorithm>
#include <csignal>
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

#include "inputs/skipped.hpp"
#include "inputs/stop.hpp"
#include "model.hpp"
#include "output.hpp"
#include "paths.hpp"

namespace programs {

struct Options {
  std::string model;
  std::string precision = "float";
  beit::Size image_size;  // 0 x 0: the model's
  int threads = 0;
  beit::Index batch_size = 8;
  beit::DecodeOptions decode;
  bool verbose = false;
  std::vector<std::string> images;
};

/// For options that name a file to write: extension with its dot, ".npy".
inline CLI::Validator name_in(const std::string& extension) {
  return CLI::Validator(
      [extension](const std::string& name) {
        return path_of(name).extension() == extension ? std::string()
                                                      : "found '" + name + "', wanted a name in " + extension;
      },
      "");
}

/// "384" or "320x480", height and width; nothing where it is neither.
inline std::optional<beit::Size> parse_image_size(const std::string& text) {
  const auto side = [](std::string_view digits) -> beit::Index {
    if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != digits.npos) return 0;
    return std::stoll(std::string(digits));
  };
  const std::size_t x = text.find('x');
  const beit::Size size{side(text.substr(0, x)), side(x == text.npos ? text : text.substr(x + 1))};
  return size.height > 0 && size.width > 0 ? std::optional(size) : std::nullopt;
}

/// --image-size, of programs that load a model only to run it.
inline void add_image_size(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--image-size", [&options](const std::string& text) { options.image_size = *parse_image_size(text); },
         "Height and width that images are brought to, multiples of the model's patch;\n"
         "its positions are resampled as timm does it [what it was trained for]")
      ->option_text("SIZE|HxW")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return parse_image_size(text) ? std::string() : "found '" + text + "', wanted a size as 384 or 320x480";
          },
          ""));
}

inline void add_options(CLI::App& app, Options& options, bool takes_images = true) {
  std::vector<std::string> names;
  for (const beit::Precision precision : beit::precisions) names.emplace_back(beit::precision_name(precision));
  app.get_formatter()->column_width(32);
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.set_version_flag("--version", app.get_name() + " " BEIT_VERSION, "Show the version and exit");
  if (takes_images) {
    app.add_option("IMAGE|FOLDER", options.images, "Image files, and folders: the images directly in them, by name")
        ->option_text(" ")
        ->required();
  }
  app.add_option("--model", options.model,
                 "Weights (.safetensors) or a folder with model.safetensors and config.json;\n"
                 "without it, a small model of ten kinds of clothes that is part of this program")
      ->option_text("PATH")
      ->check(CLI::Validator(
          [](const std::string& path) { return path.empty() ? std::string("found '', wanted a path") : std::string(); },
          ""));
  app.add_option("--precision", options.precision,
                 "What matrices are stored and multiplied in [float]:\n"
                 "float       single precision\n"
                 "float-fast  16 bits of it where the processor multiplies tiles, else the same\n"
                 "bfloat16    8 bits, half the memory\n"
                 "int8        integers, a quarter of the memory")
      ->option_text("TYPE")
      ->check(CLI::IsMember(names));
  app.add_option("--threads", options.threads, "Threads to run on; 0: one a processor [0]")
      ->option_text("N")
      ->check(CLI::Range(0, 1024));
  app.add_option("--batch-size", options.batch_size, "Images at a time; more take more memory [8]")
      ->option_text("B")
      ->check(CLI::Range(1, 65536));
  app.add_option("--max-pixels", options.decode.max_pixels, "Refuse larger images [178956970]")
      ->option_text("N")
      ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()));
  app.add_flag("--apply-exif-orientation", options.decode.apply_exif_orientation,
               "Turn photographs upright as their EXIF data says; timm doesn't");
  app.add_flag("--allow-truncated", options.decode.allow_truncated,
               "Take of a JPEG that ends early what there is, as Pillow's LOAD_TRUNCATED_IMAGES");
  app.add_flag("--verbose", options.verbose, "Say on standard error what runs");
}

/// Usage errors of programs that read tar files and lists as well as images: nothing to read, or standard input twice.
inline void require_inputs(const std::vector<std::string>& images, const std::string& list) {
  if (images.empty() && list.empty()) {
    throw CLI::ValidationError("found no images, wanted IMAGE|FOLDER or --list");
  }
  if (std::count(images.begin(), images.end(), "-") + (list == "-" ? 1 : 0) > 1) {
    throw CLI::ValidationError("found - for standard input more than once");
  }
}

/// "beit_base_patch16_224: image 224x224, patch 16x16, ...", for describe.
inline std::string model_text(const beit::Config& config) {
  const auto text = [](beit::Size size) { return std::to_string(size.height) + "x" + std::to_string(size.width); };
  return one_line(config.architecture.empty() ? "beit" : config.architecture) + ": image " + text(config.image_size) +
         ", patch " + text(config.patch_size) + ", width " + std::to_string(config.embed_dim) + ", depth " +
         std::to_string(config.depth) + ", heads " + std::to_string(config.num_heads) + ", classes " +
         std::to_string(config.num_classes);
}

/// For --verbose: what runs, on standard error.
inline void describe(const CLI::App& app, const Options& options, const std::string& model,
                     const beit::Executor& executor) {
  std::cerr << app.get_name() << ": model " << one_line(options.model.empty() ? "embedded" : options.model) << " ("
            << model << "), precision " << options.precision << ", kernels " << kernels_name() << ", threads "
            << executor.size() << ", batch size " << options.batch_size << '\n';
}

inline void print_error(const CLI::App& app, const std::string& text) {
  std::cerr << one_line(app.get_name() + ": " + text) << std::endl;
}

/// Says what was left out, if anything was.
inline void print_skipped(const CLI::App& app, const Skipped& skipped) {
  if (!skipped.empty()) print_error(app, skipped.text());
}

/// Makes a signal end the program between two batches, and a second one at once.
inline void catch_signal(int signal) {
  const auto stop = [](int received) {
    stop_signal = received;
    std::signal(received, SIG_DFL);
  };
  if (std::signal(signal, stop) == SIG_IGN) std::signal(signal, SIG_IGN);
}

/// Parses the options and runs `body`, which returns the exit status. Usage errors give 2, others 1, each with one line
/// on standard error.
template <typename Body>
int run(CLI::App& app, int argc, char** argv, const Body& body) {
#if defined(_WIN32)
  SetConsoleOutputCP(CP_UTF8);             // what comes in is UTF-8, too: cmake/utf8.manifest
  app.allow_windows_style_options(false);  // /photos is a path
#endif
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
    // As if it had not been caught: shells and callers see how the program ended.
    std::signal(stop_signal, SIG_DFL);
    std::raise(stop_signal);
  } catch (const std::bad_alloc&) {
    print_error(app, "out of memory");
  } catch (const std::exception& error) {
    print_error(app, error.what());
  }
  return 1;
}

}  // namespace programs
