// beit-attention: draws what a model attends to in images.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "attention_picture.hpp"
#include "inputs/finite.hpp"
#include "inputs/sources.hpp"
#include "paths.hpp"
#include "pca.hpp"
#include "per_image_output.hpp"
#include "picture_file.hpp"
#include "program.hpp"

namespace {

using beit::Index;

struct Options : programs::Options {
  std::string image;  // the one that is being drawn
  programs::PerImageOutput output{"--output", ".png", programs::OutputKind::png};
  programs::PerImageOutput npy{"--npy", ".npy", programs::OutputKind::array};
  std::optional<std::pair<Index, Index>> patch;  // row, column
  Index block = -1;
  std::optional<Index> head;
  bool rollout = false;
  bool pca = false;
  Index size = 896;
};

/// Parses "3,5" as {3, 5}. Returns nothing for any other text.
std::optional<std::pair<Index, Index>> parse_patch(const std::string& text) {
  std::pair<Index, Index> patch;
  const char* const end = text.data() + text.size();
  const auto [comma, row_error] = std::from_chars(text.data(), end, patch.first);
  if (row_error != std::errc() || comma == end || *comma != ',') return std::nullopt;
  const auto [rest, col_error] = std::from_chars(comma + 1, end, patch.second);
  if (col_error != std::errc() || rest != end || patch.first < 0 || patch.second < 0) return std::nullopt;
  return patch;
}

/// Throws ArgumentError unless first <= value <= last.
void require_in_range(const char* option, Index value, Index first, Index last) {
  if (value < first || value > last) {
    throw beit::ArgumentError(std::string(option) + ": found " + std::to_string(value) + ", wanted " +
                              std::to_string(first) + " to " + std::to_string(last));
  }
}

void require_in_range(const Options& options, const beit::Config& config) {
  require_in_range("--block", options.block, -config.depth, config.depth - 1);
  if (options.head) require_in_range("--head", *options.head, 0, config.num_heads - 1);
  if (options.patch) {
    require_in_range("--patch, row", options.patch->first, 0, config.grid().height - 1);
    require_in_range("--patch, column", options.patch->second, 0, config.grid().width - 1);
  }
}

/// Names the block: "last block (11 of 0-11)" or "block 3 (of 0-11)".
std::string block_text(const Options& options, const beit::Config& config) {
  const Index last = config.depth - 1, block = options.block < 0 ? options.block + config.depth : options.block;
  const std::string number = std::to_string(block), all = "of 0-" + std::to_string(last) + ")";
  return block == last ? "last block (" + number + " " + all : "block " + number + " (" + all;
}

/// Names the head: "Head 3 (of 0-11)" or "Mean of 12 heads".
std::string head_text(const Options& options, const beit::Config& config) {
  if (!options.head) return "Mean of " + programs::counted(config.num_heads, "head");
  return "Head " + std::to_string(*options.head) + " (of 0-" + std::to_string(config.num_heads - 1) + ")";
}

std::span<const float> numbers_of(const beit::Matrix& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

/// The picture of one image, and its numbers for --npy, in rows of `shape`.
struct Drawing {
  programs::AttentionPicture picture;
  beit::Matrix numbers;
  std::vector<Index> shape;
};

/// Writes the numbers of a drawing, unless the path is empty.
void write_npy(const std::filesystem::path& path, const Drawing& drawing) {
  if (path.empty()) return;
  beit::NpyWriter file(path, drawing.shape);
  file.write(numbers_of(drawing.numbers));
  file.close();
}

/// Draws the attention of one token to all patches, or its attention rollout.
Drawing attention_of(const beit::AnyBeit& model, const beit::Matrix& x, const Options& options,
                     beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  const Index tokens = config.num_tokens();
  std::vector<Index> blocks;
  if (!options.rollout) blocks.push_back(options.block);
  std::vector<beit::Matrix> weights = model.forward_attention(x, blocks, workspace);
  for (const beit::Matrix& block : weights) programs::require_finite(options.image, numbers_of(block));

  Eigen::MatrixXd map;  // (N, N)
  beit::Matrix numbers;
  std::vector<Index> shape{tokens};
  std::string what, where;
  if (options.rollout) {
    map = programs::attention_rollout(weights);
    what = "Attention rollout";
    where = "through " + programs::counted(config.depth, "block");
    numbers = beit::Matrix(map.cast<float>().eval());
  } else {
    map = options.head ? Eigen::MatrixXd(weights[0].map().middleRows(*options.head * tokens, tokens).cast<double>())
                       : programs::mean_of_heads(weights[0]);
    what = "Attention";
    where = block_text(options, config);
    numbers = std::move(weights[0]);
    shape.push_back(tokens);
  }

  Index token = 0;
  std::string whose = "the class token", rest = "itself";
  if (options.patch) {
    const auto [row, col] = *options.patch;
    token = 1 + row * config.grid().width + col;
    whose = "patch " + std::to_string(row) + "," + std::to_string(col);
    rest = "the class token";
  }
  const beit::Image image = programs::what_the_model_sees(x.data(), config.preprocessing, options.size);
  programs::AttentionPicture picture(
      image,
      {what + " of " + whose + ", " + where,
       head_text(options, config) + "; " + programs::AttentionPicture::percent(map(token, 0)) + " to " + rest},
      programs::AttentionPicture::Legend::bar);
  const Eigen::RowVectorXd row = map.row(token).tail(tokens - 1);
  picture.draw(
      programs::PatchMap({row.data(), row.data() + row.size()}, config.grid(), {image.height(), image.width()}));
  if (options.patch) picture.frame(options.patch->first, options.patch->second, config.grid());
  return {std::move(picture), std::move(numbers), std::move(shape)};
}

/// Draws the first three principal components of the patches' features after a block.
Drawing components_of(const beit::AnyBeit& model, const beit::Matrix& x, const Options& options,
                      beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  const beit::Intermediates features = model.forward_intermediates(
      x, {.indices = {options.block}, .norm = true, .stop_early = true, .output_fmt = beit::OutputFormat::nlc},
      workspace);
  programs::require_finite(options.image, numbers_of(features.intermediates[0]));
  const programs::PrincipalComponents components = programs::principal_components(features.intermediates[0], 3);
  const beit::Image image = programs::what_the_model_sees(x.data(), config.preprocessing, options.size);
  programs::AttentionPicture picture(image,
                                     {"Principal components of the patch features, " + block_text(options, config),
                                      "1 red, 2 green, 3 blue; right: share of the variance"},
                                     programs::AttentionPicture::Legend::components);
  const auto map = [&](Index i) {
    const auto column = components.scores.col(i);
    return programs::PatchMap({column.data(), column.data() + column.size()}, config.grid(),
                              {image.height(), image.width()});
  };
  picture.draw(std::array{map(0), map(1), map(2)}, components.variance);
  return {std::move(picture),
          beit::Matrix(beit::RowMajorMatrix(components.scores.cast<float>())),
          {config.grid().width, 3}};
}

/// An image, and the files to write for it.
struct Task {
  programs::Item image;
  std::filesystem::path picture;
  std::filesystem::path npy;  // empty for none
};

/// Says what to write for each image. Throws ArgumentError as files_for does, or if a file would replace an image or
/// somebody else's file.
std::vector<Task> tasks_of(const Options& options, const std::vector<programs::Item>& images) {
  const std::vector<std::filesystem::path> pictures = programs::files_for(options.output, images);
  const std::vector<std::filesystem::path> arrays = programs::files_for(options.npy, images);
  std::vector<Task> tasks;
  std::vector<programs::OutputName> outputs;
  for (std::size_t i = 0; i < images.size(); ++i) {
    tasks.push_back({images[i], pictures[i], arrays[i]});
    outputs.push_back(options.output.named(pictures[i]));
    outputs.push_back(options.npy.named(arrays[i]));
  }
  programs::check_outputs(options, outputs);
  return tasks;
}

/// Opens the picture's file, and makes the folders for it and for the numbers if the pictures have a folder.
beit::AtomicFile open(const Options& options, const Task& task) {
  programs::make_folder(options.output, task.picture);
  programs::make_folder(options.npy, task.npy);
  return beit::AtomicFile(task.picture);
}

/// Draws one image, which it describes in the task. Throws std::runtime_error.
Drawing draw(const beit::AnyBeit& model, Task& task, const Options& options, programs::Timings& timings,
             beit::Workspace& workspace) {
  Options own = options;
  own.image = task.image.path;
  const beit::Image image =
      programs::timed(timings.decoding, [&] { return beit::read_image(programs::path_of(own.image), options.decode); });
  task.image.describe(image);
  const beit::Matrix x = programs::timed(
      timings.preprocessing, [&] { return beit::preprocess(model.config(), std::span(&image, 1), workspace); });
  return programs::timed(timings.model, [&] {
    return options.pca ? components_of(model, x, own, workspace) : attention_of(model, x, own, workspace);
  });
}

int draw_images(const CLI::App& app, const Options& options) {
  programs::Skipped skipped;
  std::vector<programs::Item> images = programs::list_images(options.images, skipped);
  programs::print_skipped(app, options, skipped);
  programs::Outcome outcome;
  std::erase_if(images, [&](const programs::Item& image) {
    if (image.error.empty()) return false;
    programs::print_error(app, image.path + ": " + image.error);
    outcome.add(image);
    return true;
  });
  if (images.empty()) return 1;
  std::vector<Task> tasks = tasks_of(options, images);
  beit::ThreadPool pool(options.threads);
  const auto loaded = programs::load_features(app.get_name(), options, pool);
  const beit::AnyBeit& model = *loaded;
  const beit::Config& config = model.config();
  require_in_range(options, config);
  open(options, tasks.front());  // refuses a name that can't be written before the work
  beit::Workspace workspace(pool);
  programs::describe(app, options, programs::model_text(config), config.preprocessing, workspace.executor());

  programs::Timings timings;
  programs::Progress progress(options.quiet);
  progress.set_total(tasks.size());
  std::size_t done = 0;
  for (Task& task : tasks) {
    if (programs::stop_signal != 0) throw programs::Interrupted();
    beit::AtomicFile file = open(options, task);
    std::optional<Drawing> drawing;
    try {
      drawing = draw(model, task, options, timings, workspace);
    } catch (const std::runtime_error& error) {
      progress.clear();
      task.image.error = programs::for_users(error.what());
      programs::print_error(app, task.image.error);
    }
    if (programs::stop_signal != 0) throw programs::Interrupted();
    if (drawing) {
      write_npy(task.npy, *drawing);
      const programs::TextPicture& picture = drawing->picture.picture();
      file.write(programs::encode_png(picture.pixels(), picture.height(), picture.width()));
      file.close();
    }
    outcome.add(task.image);
    progress.show(done + 1, done + 1, 1);
    ++done;
  }
  progress.clear();
  programs::print_timings(app, options, timings);
  programs::print_unlike_demo(app, options, outcome);
  programs::print_summary(app, options, {options.output.name, options.npy.name}, outcome.done,
                          programs::seconds_since_start());
  return outcome.status(options.strict);
}

void add_patch_option(CLI::App& app, Options& options) {
  app.add_option_function<std::string>(
         "--patch",
         [&options](const std::string& text) {
           options.patch = parse_patch(text);
           if (!options.patch) {
             throw CLI::ValidationError("--patch: found '" + text + "', wanted ROW,COLUMN, both from 0");
           }
         },
         "Patch whose attention to show, from 0,0 at the top left [the class token]")
      ->option_text("ROW,COLUMN");
}

void add_own_options(CLI::App& app, Options& options) {
  app.footer(
      "The picture shows the image as the model sees it (resized and cropped) and, beside it, how much of its "
      "attention\n"
      "a token pays to each patch. All of its attention is 100 %.");
  app.add_option("-o,--output", options.output.name,
                 "Picture to write for one image; any name without .png: a folder for a picture of each\n"
                 "image, with the names of the images")
      ->option_text("OUT.png|OUT")
      ->required()
      ->check(programs::output_path());
  add_patch_option(app, options);
  CLI::Option* const block =
      app.add_option("--block", options.block, "Index of the block, from 0, or from the end if negative [-1]")
          ->option_text("N");
  app.add_option("--head", options.head, "Index of the head, from 0 [the mean of all heads]")
      ->option_text("N")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--rollout", options.rollout,
               "Show attention rollout, from the last block down to the image, instead of one block");
  app.add_flag("--pca", options.pca,
               "Show the features of the patches after the block instead of attention: their first\n"
               "three principal components as red, green and blue, and each on its own");
  app.add_option("--size", options.size, "Length of the image's longer side in the picture, in pixels [896]")
      ->option_text("N")
      ->check(CLI::Range(160, 4096));
  app.add_option("--npy", options.npy.name,
                 "Also write the numbers as float32: attention (heads, N, N), one row per query with the\n"
                 "class token first; rollout (N, N); components (rows, columns, 3); if --output is a\n"
                 "folder, this is one as well")
      ->option_text("OUT.npy|OUT")
      ->check(programs::output_path());
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  app.remove_option(app.get_option("--batch-size"));
  options.batch_size = 1;
  app.callback([&options, block] {
    programs::require_name(options.output, options.images);
    if (options.npy.is_given() && options.npy.is_file() != options.output.is_file()) {
      throw CLI::ValidationError("--npy: found '" + options.npy.name + "', wanted a " +
                                 (options.output.is_file() ? "name in .npy" : "folder, as --output is"));
    }
    if (options.rollout && (*block || options.head)) {
      throw CLI::ValidationError("--rollout uses all blocks and heads: found it together with --block or --head");
    }
    if (options.pca && (options.rollout || options.patch || options.head)) {
      throw CLI::ValidationError("--pca draws no attention: found it together with --rollout, --patch or --head");
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Draws what a BEiT model attends to in images.", "beit-attention");
  add_own_options(app, options);
  programs::add_examples(
      app, {"beit-attention -o attention.png photo.jpg", "beit-attention -o rollout.png --rollout photo.jpg",
            "beit-attention -o patch.png --patch 3,5 --head 2 photo.jpg"});
  return programs::run(app, argc, argv, [&] { return draw_images(app, options); });
}
