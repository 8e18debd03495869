// How a program starts, what it says of its work, and how it ends.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
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
#include <beit/model/segment.hpp>

#include "for_users.hpp"
#include "inputs/item.hpp"
#include "inputs/skipped.hpp"
#include "inputs/stop.hpp"
#include "manual.hpp"
#include "model.hpp"
#include "options.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "preprocessing_text.hpp"
#include "progress.hpp"
#include "timings.hpp"

namespace programs {

/// Counts what was asked for, for the exit status.
struct Outcome {
  std::int64_t done = 0;         // images
  std::int64_t broken = 0;       // images that can't be read
  std::int64_t unseen = 0;       // names that couldn't be looked at at all, such as one of a file that doesn't exist
  std::int64_t unlike_demo = 0;  // images that were done and aren't like those that the demo models learned from
  std::string first_unlike{};    // the first of them, and in what it differs

  /// The images and names that weren't done.
  std::int64_t failed() const { return broken + unseen; }

  /// Counts an image with its error, if there is one.
  void add(const Item& item) {
    ++(item.error.empty() ? done : item.unseen ? unseen : broken);
    if (item.error.empty()) compare_with_demo(item);
  }
  /// Counts an image that could be read among those that the demo models can't judge, if it is one.
  void compare_with_demo(const Item& item) {
    const std::string text = unlike_demo_text(item);
    if (!text.empty() && ++unlike_demo == 1) first_unlike = item.path + ": " + text;
  }

  /// The exit status of all programs: 1 if nothing was done, or if something couldn't be looked at at all, or with
  /// --strict if an image is broken; else 0.
  int status(bool strict) const { return done == 0 || unseen > 0 || (strict && broken > 0) ? 1 : 0; }
};

inline const std::chrono::steady_clock::time_point start_of_program = std::chrono::steady_clock::now();

inline double seconds_since_start() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_of_program).count();
}

/// "12 ms"
inline std::string milliseconds_text(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::round<std::chrono::milliseconds>(time).count()) + " ms";
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
inline std::string model_text(const beit::SegmentationConfig& config) {
  const beit::TrunkConfig& trunk = config;
  return model_text(trunk) + ", classes " + std::to_string(config.num_classes);
}

inline void print_error(const CLI::App& app, const std::string& text) {
  std::cerr << one_line(app.get_name() + ": " + text) << std::endl;
}

/// Prints to standard error what is worth knowing and no error, unless --quiet is given.
inline void print_note(const CLI::App& app, const Options& options, const std::string& text) {
  if (!options.quiet) print_error(app, text);
}

/// Says what runs: that it is the demo model, if no other is named, and with --verbose a line on the model, whose text
/// is that of model_text, and one on how images become its input. `demo` names what stands for --model.
inline void describe(const CLI::App& app, const Options& options, const std::string& model,
                     const beit::Preprocessing& preprocessing, const beit::Executor& executor,
                     const std::string& demo = "model") {
  const bool is_demo = options.model.empty();
  if (is_demo) {
    print_note(app, options, "no --model: the small demo " + demo + " is at work, which knows ten kinds of clothes");
  }
  if (!options.verbose) return;
  std::cerr << app.get_name() << ": " << one_line(is_demo ? "demo " + demo : "model " + options.model) << " (" << model
            << "), precision " << options.precision << ", kernels " << kernels_name() << ", threads " << executor.size()
            << ", batch size " << options.batch_size << ", loaded after "
            << milliseconds_text(std::chrono::steady_clock::now() - start_of_program) << '\n'
            << app.get_name() << ": preprocessing "
            << one_line(options.preprocessing.empty() ? "of the model"
                                                      : "from --preprocessing " + options.preprocessing)
            << ": " << preprocessing_text(preprocessing) << std::endl;
}

/// Notes how many images the demo model can't judge, if it is at work.
inline void print_unlike_demo(const CLI::App& app, const Options& options, const Outcome& outcome) {
  if (!options.model.empty() || outcome.unlike_demo == 0) return;
  const std::string side = std::to_string(demo_side);
  print_note(app, options,
             "no --model: results for " + counted(outcome.unlike_demo, "image") +
                 " mean little, because the demo model learned from grey pictures of " + side + "x" + side + " (" +
                 outcome.first_unlike + (outcome.unlike_demo > 1 ? "; ...)" : ")"));
}

/// Says for --verbose how long the parts of the work took.
inline void print_timings(const CLI::App& app, const Options& options, const Timings& timings) {
  if (!options.verbose) return;
  const auto text = [](std::int64_t n) { return milliseconds_text(std::chrono::nanoseconds(n)); };
  print_error(app, "decoding " + text(timings.decoding) + " and preprocessing " + text(timings.preprocessing) +
                       ", summed over threads; model " + text(timings.model));
}

/// Says at the end what was written, how many images that took and how fast it was, unless nothing was. Files without a
/// name were not asked for.
inline void print_summary(const CLI::App& app, const Options& options, const std::vector<std::string>& files,
                          std::int64_t images, double seconds) {
  std::string written;
  for (const std::string& file : files) {
    if (!file.empty()) written += (written.empty() ? "wrote " : ", ") + file;
  }
  if (images == 0 || written.empty()) return;
  print_note(
      app, options,
      written + ": " + counted(images, "image") + " in " + clock_text(seconds) + ", " + rate_text(images, seconds));
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

/// Adds the options that come last in all programs.
inline void add_help(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Show this help and exit");
  app.set_version_flag("--version", app.get_name() + " " BEIT_VERSION, "Show the version and exit");
}

/// Parses the options and runs `body`, which returns the exit status. The status is 2 after a usage error and 1 after
/// any other error, each of which prints one line to standard error. "--generate man" (or bash, zsh), which the build
/// uses, prints the manual page or the completion of the program and its subcommands.
template <typename Body>
int run(CLI::App& app, int argc, char** argv, const Body& body, const Subcommands& subcommands = {}) {
#if defined(_WIN32)
  SetConsoleOutputCP(CP_UTF8);             // arguments are UTF-8 too: cmake/utf8.manifest
  app.allow_windows_style_options(false);  // /photos is a path
#endif
  add_help(app);
  if (argc == 3 && std::string_view(argv[1]) == "--generate") {
    for (CLI::App* const subcommand : subcommands) add_help(*subcommand);
    if (write_manual(std::cout, argv[2], app, subcommands)) return 0;
  }
  app.footer(app.get_footer().empty() ? status_text() : app.get_footer() + "\n" + status_text());
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
  std::signal(SIGXFSZ, SIG_IGN);  // so that a file beyond the limit of sizes is an error, after which it is removed
#endif
  try {
    const int status = body();
    std::cout.flush();
    if (!std::cout) throw std::runtime_error("standard output: can't write");
    return status;
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
