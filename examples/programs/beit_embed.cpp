// beit-embed: writes a model's features of images to one .npy file or, for any number of images, to a folder of shards.
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "demo_model.hpp"
#include "demo_tokenizer.hpp"
#include "embed/finished_row.hpp"
#include "embed/folder_lock.hpp"
#include "embed/job.hpp"
#include "embed/merge.hpp"
#include "embed/outputs.hpp"
#include "embed/plan.hpp"
#include "embed/plot_output.hpp"
#include "embed/shard_folder.hpp"
#include "embed/task.hpp"
#include "embed/task_inputs.hpp"
#include "embed/update.hpp"
#include "inputs/batches.hpp"
#include "inputs/input_progress.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "program.hpp"
#include "tokenizer.hpp"

namespace {

struct Options : programs::Options {
  std::string list;
  bool null = false;
  bool update = false;
  std::string output;
  std::string plot;
  std::string tokens = "pooled";
  std::string dtype = "float32";
  bool normalize = false;
  std::int64_t shard_size = 1000;
  std::string shard;  // an index, "auto", or empty
  std::optional<std::int64_t> num_shards;

  bool to_file() const { return programs::path_of(output).extension() == ".npy"; }
  /// Whether to write a tokenizer's tokens instead of a model's features.
  bool visual() const { return tokens == "visual"; }
  beit::NpyType npy_type() const {
    if (visual()) return beit::NpyType::int32;
    return dtype == "float16" ? beit::NpyType::float16 : beit::NpyType::float32;
  }
};

/// The shape of the output for one image: (C,), (Gh, Gw, C) or (N, C).
std::vector<beit::Index> row_shape(const beit::Config& config, const std::string& tokens) {
  if (tokens == "patch") return {config.grid().height, config.grid().width, config.embed_dim};
  if (tokens == "all") return {config.num_tokens(), config.embed_dim};
  return {config.embed_dim};
}

/// The options on which the numbers depend. The number of tasks and threads and the batch size aren't among them.
programs::Json job_options(const Options& options, beit::PassOrder pass_order) {
  programs::Json job{{"program", "beit-embed " BEIT_VERSION},
                     {"dtype", options.visual() ? "int32" : options.dtype},
                     {programs::normalize_key, options.normalize},
                     {"shard_size", options.shard_size}};
  job.update(programs::feature_options(options, options.visual() ? programs::demo_tokenizer() : programs::demo_model(),
                                       options.tokens, pass_order));
  return job;
}

constexpr const char* auto_shard = "auto";

/// This process's part of the job: all of it, unless the options say otherwise.
programs::Task task_of(const Options& options) {
  if (options.shard.empty()) return {};
  if (options.shard == auto_shard) return programs::scheduled_task(options.num_shards);
  return {std::stoll(options.shard), *options.num_shards};
}

/// Notes whether a scheduler's numbers decide which part of the job is this process's.
void print_task(const CLI::App& app, const Options& options, const programs::Task& task) {
  const std::vector<programs::Scheduler> schedulers = programs::schedulers_in_use();
  if (options.shard == auto_shard) {
    programs::print_note(app, options, programs::scheduled_text(task));
  } else if (options.shard.empty() && !schedulers.empty()) {
    programs::print_note(app, options,
                         "all of the input is this process's: found " + programs::names_of(schedulers) +
                             " in the environment, which --shard auto uses");
  }
}

/// Throws FileError if an argument doesn't exist, so that a mistyped name is found before a job of hours begins.
void require_arguments(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == "-") continue;
    std::error_code error;
    const bool exists = std::filesystem::exists(programs::path_of(name), error);
    if (error) throw beit::FileError(name + ": can't be looked at: " + error.message());
    if (!exists) throw beit::FileError(name + ": found nothing there, wanted an image, a tar file or a folder");
  }
}

/// Embeds images: loads the model or tokenizer once and runs it on batches.
class Embedder {
 public:
  Embedder(const CLI::App& app, const Options& options) : app_(app), options_(options), pool_(options.threads) {
    if (options.visual()) {
      tokenizer_ = programs::load_token_encoder(options, pool_);
      config_.preprocessing = tokenizer_->preprocessing();
      config_.image_size = config_.preprocessing.input_size;
    } else {
      model_ = programs::load_features(app.get_name(), options, pool_);
      config_ = model_->config();
    }
    const std::string what = tokenizer_ ? "tokenizer: image " + programs::size_text(config_.image_size) + ", tokens " +
                                              programs::size_text(tokenizer_->grid())
                                        : programs::model_text(config_);
    programs::describe(app, options, what, config_.preprocessing, workspace_.executor(),
                       tokenizer_ ? "tokenizer" : "model");
  }

  std::vector<beit::Index> row_shape() const {
    if (tokenizer_) return {tokenizer_->grid().height, tokenizer_->grid().width};
    return ::row_shape(config_, options_.tokens);
  }

  beit::PassOrder pass_order() const { return config_.preprocessing.pass_order; }

  programs::Outcome run(programs::Batches& batches, programs::Output& output, programs::InputProgress& progress) {
    programs::Outcome outcome;
    std::size_t size = 1;
    for (const beit::Index n : row_shape()) size *= static_cast<std::size_t>(n);
    // Patch tokens come after the class token.
    const std::size_t first = options_.tokens == "patch" ? static_cast<std::size_t>(config_.embed_dim) : 0;
    programs::FinishedRow finished(options_.normalize, options_.npy_type());
    const auto fail = [&](const programs::Item& item) {
      programs::print_error(app_, item.path + ": " + item.error);
      output.write(item, std::nullopt);
      outcome.add(item);
    };
    const auto write = [&](const programs::Item& item, auto numbers) {
      if (item.kept) {
        output.write(item, std::nullopt);
        return;
      }
      if (numbers.empty()) return fail(item);
      auto row = numbers.subspan(first, size);
      if (std::string fault = finished.finish(row); !fault.empty()) {
        programs::Item failed = item;
        failed.error = std::move(fault);
        return fail(failed);
      }
      output.write(item, row);
      outcome.add(item);
    };
    if (tokenizer_) {
      const auto encode = [this](const beit::ConstRows& x) {
        std::vector<std::int32_t> tokens(static_cast<std::size_t>(x.rows() * tokenizer_->grid().area()));
        tokenizer_->encode(x, workspace_, tokens);
        return tokens;
      };
      programs::run_batches(batches, progress, encode, write);
    } else {
      programs::run_batches(
          batches, progress, [this](const beit::ConstRows& x) { return forward(x); }, write);
    }
    output.close();
    return outcome;
  }

  programs::Batches batches(programs::Plan& plan) {
    const auto layout = tokenizer_ ? beit::TensorLayout::channels_last : beit::TensorLayout::channels_first;
    return programs::Batches(plan, config_, options_.decode, options_.batch_size, workspace_.executor().size(), layout);
  }

 private:
  /// Returns embeddings (B, C), or the features of all tokens (B*N, C).
  beit::Matrix forward(const beit::ConstRows& x) {
    if (options_.tokens == "pooled") return beit::embed(*model_, x, workspace_);
    beit::Matrix features(x.rows() * config_.num_tokens(), config_.embed_dim);
    model_->forward_features(x, workspace_, features);
    return features;
  }

  const CLI::App& app_;
  const Options& options_;
  beit::ThreadPool pool_;
  std::unique_ptr<const beit::AnyBeit> model_;           // either this
  std::unique_ptr<const beit::AnyTokenizer> tokenizer_;  // or this is set
  beit::Config config_;                                  // the model's, or one with the tokenizer's preprocessing
  beit::Workspace workspace_{pool_};
};

int embed_to_file(const CLI::App& app, const Options& options) {
  std::vector<programs::OutputName> outputs = programs::with_names("--output", options.output);
  outputs.push_back({"--plot", programs::path_of(options.plot), programs::OutputKind::svg});
  programs::check_outputs(options, outputs, {options.list});
  print_task(app, options, {});
  Embedder embedder(app, options);
  programs::Plan plan(programs::InputNames{options.images, options.list, options.null});
  programs::Batches batches = embedder.batches(plan);
  programs::InputProgress progress({options.images, options.list, options.null}, options.quiet);
  // Made last, so that an interruption removes its temporary files before it waits for threads.
  programs::FileOutput output(options.output, embedder.row_shape(), options.npy_type());
  std::optional<programs::PlotOutput> plot;
  if (!options.plot.empty()) plot.emplace(output, options.plot, embedder.row_shape().back());
  const programs::Outcome outcome =
      embedder.run(batches, plot ? static_cast<programs::Output&>(*plot) : output, progress);
  programs::print_skipped(app, options, plan.skipped_files());
  programs::print_timings(app, options, batches.timings());
  programs::print_unlike_demo(app, options, outcome);
  programs::print_summary(app, options, programs::names_of(outputs), outcome.done, progress.seconds());
  return outcome.status(options.strict);
}

/// Embeds the images of this task's shards that aren't done yet. The rows of images that `kept` has are copied; it is
/// null for none.
int embed_shards(const CLI::App& app, const Options& options, Embedder& embedder, const programs::ShardFolder& folder,
                 const programs::Json& job, const programs::Task& task, programs::KeptRows* kept) {
  const programs::TaskInputs inputs(folder);
  inputs.forget(task);

  programs::Plan plan({options.images, options.list, options.null}, folder, job, options.shard_size, task);
  if (kept != nullptr) plan.keep(*kept);
  programs::Batches batches = embedder.batches(plan);
  programs::InputProgress progress({options.images, options.list, options.null}, options.quiet, task.count,
                                   [&plan] { return plan.skipped(); });
  programs::ShardOutput output(folder, job, embedder.row_shape(), options.npy_type(), kept);
  programs::Outcome outcome = embedder.run(batches, output, progress);
  programs::print_skipped(app, options, plan.skipped_files());
  folder.note_skipped(job, plan.skipped_files());
  if (outcome.done + output.kept() + outcome.failed() + plan.skipped() == 0)
    throw beit::ArgumentError("found no images");
  if (task.count > 1) inputs.write(task, plan.input());
  if (task.index >= plan.shards()) {
    programs::print_note(app, options,
                         "found no images for task " + std::to_string(task.index) + " of " +
                             std::to_string(task.count) + ": the input has " +
                             programs::counted(plan.shards(), "shard") + ", see --shard-size");
  }
  if (!options.quiet) {
    std::cout << options.output << ": " << programs::counted(outcome.done, "image") << " embedded, ";
    if (kept != nullptr) std::cout << output.kept() << " kept, ";
    std::cout << outcome.failed() << " failed; " << programs::counted(output.shards_written(), "shard") << " written, "
              << plan.shards_done_before() << " already done\n";
  }
  if (!output.found_images() && plan.skipped() == 0) return 1;
  if (task.count == 1) {
    const programs::MergeResult result = programs::merge(folder);
    if (!options.plot.empty()) programs::plot_shards(folder, result.shards, options.plot);
    if (kept != nullptr && plan.skipped_files().unreachable() > 0) {
      throw std::runtime_error(options.output + ": left as it was, because images may be where nothing could be read");
    }
  }
  programs::print_timings(app, options, batches.timings());
  programs::print_unlike_demo(app, options, outcome);
  programs::print_summary(app, options, {options.output, options.plot}, outcome.done, progress.seconds());
  outcome.broken += plan.failed_before();
  outcome.done += output.kept() + plan.skipped() - plan.failed_before();
  return plan.skipped_files().unreachable() > 0 ? 1 : outcome.status(options.strict);
}

/// Embeds what is new or changed into shards beside the old ones, and then replaces those.
int update(const CLI::App& app, const Options& options, Embedder& embedder, const programs::ShardFolder& folder,
           const programs::Json& job) {
  const programs::ShardFolder next = programs::update_of(folder);
  const auto embed = [&] {
    programs::KeptRows kept(folder, job);  // closes the old files before they are replaced
    next.make();
    next.open(job);
    next.remove_leftovers([](std::int64_t) { return true; });
    return embed_shards(app, options, embedder, next, job, {}, &kept);
  };
  const auto start_again = [&next] {
    std::error_code ignored;
    std::filesystem::remove_all(next.path(), ignored);
  };
  int status = 0;
  if (next.recorded("model") != job.at("model")) start_again();
  try {
    status = embed();
  } catch (const programs::InputChanged&) {  // since an update that was killed
    start_again();
    status = embed();
  }
  const std::set<std::int64_t> shards = next.done_shards();
  if (!shards.empty()) programs::replace_by_update(folder, *shards.rbegin() + 1);
  return status;
}

int embed_to_folder(const CLI::App& app, const Options& options) {
  const programs::Task task = task_of(options);
  print_task(app, options, task);
  if (!options.plot.empty()) {
    if (task.count > 1) {
      throw beit::ArgumentError("--plot: found one of " + std::to_string(task.count) +
                                " processes that share the work; use 'beit-embed merge OUT --plot PLOT.svg' after all");
    }
    beit::AtomicFile(programs::path_of(options.plot));  // refuses a name that can't be written before the work
  }
  require_arguments(options.images);
  const programs::ShardFolder folder(programs::path_of(options.output));
  programs::check_outputs(options,
                          {{"--output", folder.path(), programs::OutputKind::folder},
                           {"--output", folder.job(), programs::OutputKind::job},
                           {"--output", folder.failed(), programs::OutputKind::failures},
                           {"--plot", programs::path_of(options.plot), programs::OutputKind::svg}},
                          {options.list});
  // An existing folder is locked before the work; a new one is only made once the model has been loaded.
  std::optional<programs::FolderLock> lock;
  std::error_code error;
  if (std::filesystem::is_directory(programs::path_of(options.output), error))
    lock.emplace(programs::path_of(options.output), task);
  Embedder embedder(app, options);
  folder.make();
  if (!lock) lock.emplace(options.output, task);
  const programs::Json job = job_options(options, embedder.pass_order());
  if (task.count == 1) {
    programs::end_update(folder);
  } else if (programs::is_update_complete(folder)) {
    throw beit::FileError(options.output + ": an update was interrupted: run 'beit-embed merge OUT' first");
  }
  folder.open(job);
  folder.remove_leftovers(
      [&task](std::int64_t shard) { return shard < 0 ? task.count == 1 : shard % task.count == task.index; });
  return options.update ? update(app, options, embedder, folder, job)
                        : embed_shards(app, options, embedder, folder, job, task, nullptr);
}

/// Whether these --tokens are one vector per image.
bool is_vector(const std::string& tokens) { return tokens == "pooled" || tokens == "class"; }

int merge(const programs::Options& options, const std::string& path, const std::string& plot) {
  const programs::ShardFolder folder(programs::path_of(path));
  if (!plot.empty()) {
    if (const std::string tokens = folder.job_options().value("tokens", ""); !is_vector(tokens)) {
      throw beit::ArgumentError(path + ": found features made with --tokens " + tokens +
                                ", wanted one vector per image to plot");
    }
    const beit::AtomicFile writable(programs::path_of(plot));  // refuses a name that can't be written before the work
  }
  folder.job_options();  // throws if there is none
  programs::check_outputs(options, {{"OUT", folder.failed(), programs::OutputKind::failures},
                                    {"--plot", programs::path_of(plot), programs::OutputKind::svg}});
  const programs::FolderLock lock(programs::path_of(path), {});
  programs::end_update(folder);
  const programs::MergeResult result = programs::merge(folder);
  if (!options.quiet) {
    std::cout << path << ": complete: " << programs::counted(result.images, "image") << " in "
              << programs::counted(result.shards, "shard") << ", " << result.failed << " failed\n";
  }
  if (!options.quiet && result.kernels.size() > 1) {
    std::cout << path << ": shards were computed by different kernels, whose results differ in the last bits:";
    const char* separator = " ";
    for (const auto& [name, shards] : result.kernels) {
      std::cout << separator << shards << " by " << name;
      separator = ", ";
    }
    std::cout << '\n';
  }
  if (!plot.empty()) programs::plot_shards(folder, result.shards, plot);
  return options.strict && result.failed > 0 ? 1 : 0;
}

/// Adds the option that names a plot.
void add_plot_option(CLI::App& app, std::string& plot, const std::string& description) {
  app.add_option("--plot", plot, description)->option_text("PLOT.svg")->check(programs::name_in(".svg"));
}

struct MergeOptions {
  std::string path, plot;
  programs::Options shared;
};

void add_merge_options(CLI::App& app, MergeOptions& options) {
  app.add_option("OUT", options.path, "Output folder of beit-embed")
      ->option_text(" ")
      ->required()
      ->check(programs::not_empty());
  add_plot_option(app, options.plot, "Also plot the embeddings, as beit-embed --plot does");
  programs::add_quiet(app, options.shared.quiet);
  programs::add_status_options(app, options.shared);
}

/// Adds the options that say what is written, and where.
void add_output_options(CLI::App& app, Options& options) {
  app.add_option("-o,--output", options.output,
                 "OUT.npy: one file, and OUT.txt with the image's name for each row.\n"
                 "Any other name: a folder of shards")
      ->option_text("OUT")
      ->required()
      ->check(programs::output_path());
  add_plot_option(app, options.plot,
                  "Also plot the first two principal components of the embeddings, coloured by label\n"
                  "(the folder's name); at most 4000 images, evenly spread over all");
  app.add_option("--tokens", options.tokens,
                 "Features to write [pooled]:\n"
                 "pooled  the vector that the classifier sees (images, C)\n"
                 "class   the class token (images, C)\n"
                 "patch   the patch tokens (images, rows, columns, C)\n"
                 "all     the class token, then the patch tokens (images, 1 + rows * columns, C)\n"
                 "visual  the visual tokens, int32 (images, rows, columns), of the tokenizer that --model\n"
                 "        names, such as DALL-E's or BEiT v2's as converted by convert_tokenizer.py")
      ->option_text("WHICH")
      ->check(CLI::IsMember({"pooled", "class", "patch", "all", "visual"}));
  app.add_option("--dtype", options.dtype,
                 "Number type of the features: float32, or float16 for half the size [float32]")
      ->option_text("TYPE")
      ->check(CLI::IsMember({"float32", "float16"}));
  app.add_flag("--normalize", options.normalize,
               "Write vectors of unit length, so that inner products are cosines: faiss, autofaiss and\n"
               "clip-retrieval search by inner product");
}

/// Adds the options that say how the work is divided, and which part of it is this process's.
void add_shard_options(CLI::App& app, Options& options) {
  app.add_option("--shard-size", options.shard_size,
                 "Images per shard, which is also the most that an interruption loses [1000]")
      ->option_text("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  app.add_flag("--update", options.update,
               "Bring a folder up to a changed input: embed what is new or changed, drop what is\n"
               "gone, and keep the rows of the other images, by the size and time of their files");
  auto* const num_shards = app.add_option("--num-shards", options.num_shards, "Number of processes that share the work")
                               ->option_text("N")
                               ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  auto* const shard =
      app.add_option("--shard", options.shard,
                     "Index of this process, from 0; or auto: the number that Slurm (in a job array),\n"
                     "Kubernetes (in an indexed job), GNU parallel or mpirun gives it, modulo --num-shards.\n"
                     "Without that option, the tasks of the array share the work")
          ->option_text("I|auto")
          ->check(CLI::Validator(
              [](const std::string& text) {
                const bool is_index =
                    !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == text.npos;
                return is_index || text == auto_shard ? std::string()
                                                      : "found '" + text + "', wanted a whole number or auto";
              },
              "{auto}"));
  num_shards->needs(shard);
}

/// Throws a usage error if the options contradict each other.
void require_consistent(const CLI::App& app, const Options& options) {
  const auto is_given = [&app](const char* name) { return app.count(name) > 0; };
  programs::require_inputs(options.images, options.list);
  if (options.to_file() && (is_given("--shard-size") || is_given("--shard"))) {
    throw CLI::ValidationError("--shard-size, --shard and --num-shards apply to a folder only: found --output " +
                               options.output);
  }
  if (options.update && (options.to_file() || is_given("--shard") || !is_vector(options.tokens))) {
    throw CLI::ValidationError("--update applies to a folder with one vector per image, and to one process: found " +
                               (options.to_file()     ? "--output " + options.output
                                : is_given("--shard") ? "--shard " + options.shard
                                                      : "--tokens " + options.tokens));
  }
  if (options.visual() && is_given("--dtype")) {
    throw CLI::ValidationError(
        "--dtype applies to features only: found it together with --tokens visual, which are int32");
  }
  if (options.normalize && !is_vector(options.tokens)) {
    throw CLI::ValidationError("--normalize needs one vector per image: found --tokens " + options.tokens);
  }
  if (!options.plot.empty() && !is_vector(options.tokens)) {
    throw CLI::ValidationError("--plot needs one vector per image: found --tokens " + options.tokens);
  }
  if (options.shard.empty() || options.shard == auto_shard) return;
  if (!options.num_shards) throw CLI::ValidationError("--shard " + options.shard + ": wanted --num-shards too");
  if (std::stoll(options.shard) >= *options.num_shards) {
    throw CLI::ValidationError("--shard: found " + options.shard + ", wanted less than --num-shards " +
                               std::to_string(*options.num_shards));
  }
}

}  // namespace

int main(int argc, char** argv) {
  MergeOptions merging;
  CLI::App merge_app("Checks that no shard of an output folder is missing, and writes OUT/failed.jsonl.",
                     "beit-embed merge");
  add_merge_options(merge_app, merging);
  if (argc > 1 && std::string(argv[1]) == "merge") {
    return programs::run(merge_app, argc - 1, argv + 1,
                         [&] { return merge(merging.shared, merging.path, merging.plot); });
  }
  Options options;
  CLI::App app("Writes a BEiT model's features of images to one .npy file or to a folder of shards.", "beit-embed");
  app.footer(
      "A folder gets OUT/img_emb/img_emb_00000.npy ..., OUT/metadata/metadata_00000.jsonl ... with one line per row,\n"
      "and OUT/failed.jsonl. After an interruption, the same command continues where the run stopped. With\n"
      "--shard and --num-shards, N processes share the work; afterwards\n"
      "    beit-embed merge OUT\n"
      "checks that nothing is missing and writes OUT/failed.jsonl.\n"
      "\n"
      "At one level of kernels, rows are the same to the bit for any number of tasks and threads and any batch size.\n"
      "A cluster of different processors mixes levels, whose results differ in the last bits. OUT/done records the\n"
      "levels; BEIT_ISA=avx2 (or portable, avx512) in the environment of all tasks makes them use the same one.");
  app.add_option("--list", options.list,
                 "File that lists images and tar files, one path per line, with an optional label after a\n"
                 "tab; - for standard input")
      ->option_text("FILE")
      ->check(programs::not_empty());
  app.add_flag("--null", options.null,
               "The paths in --list end with zero bytes, as find -print0 writes them, and have no\n"
               "labels; found out from the list, too");
  add_output_options(app, options);
  add_shard_options(app, options);
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  app.get_option("IMAGE|FOLDER")
      ->required(false)
      ->description(
          "Image files, tar files (WebDataset) and folders, which are searched recursively;\n"
          "- for a tar file from standard input");
  app.callback([&] { require_consistent(app, options); });
  programs::add_examples(app,
                         {"beit-embed --model beit_base.safetensors --output features.npy photos/",
                          "beit-embed -m beit_base.safetensors -o embeddings --dtype float16 shards-*.tar",
                          "beit-embed -o embeddings --shard 0 --num-shards 4 photos/", "beit-embed merge embeddings"});
  const auto embed = [&] { return options.to_file() ? embed_to_file(app, options) : embed_to_folder(app, options); };
  return programs::run(app, argc, argv, embed, {&merge_app});
}
