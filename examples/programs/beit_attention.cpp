// beit-attention: draws what of an image a model attends to.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "attention_picture.hpp"
#include "paths.hpp"
#include "pca.hpp"
#include "picture_file.hpp"
#include "program.hpp"

namespace {

using beit::Index;

struct Options : programs::Options {
  std::string image;
  std::string output;
  std::string npy;
  std::optional<std::pair<Index, Index>> patch;  // row, column
  Index block = -1;
  std::optional<Index> head;
  bool rollout = false;
  bool pca = false;
  Index size = 896;
};

/// "3,5" -> {3, 5}; nothing for any other text.
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

/// "block 11 (0 to 11)"
std::string block_text(const Options& options, const beit::Config& config) {
  const Index block = options.block < 0 ? options.block + config.depth : options.block;
  return "block " + std::to_string(block) + " (0 to " + std::to_string(config.depth - 1) + ")";
}

/// Numbers for --npy: rows of `shape`.
void write_npy(const std::string& path, const beit::Matrix& values, std::vector<Index> shape) {
  if (path.empty()) return;
  Index row_size = 1;
  for (const Index n : shape) row_size *= n;
  beit::NpyWriter file(programs::path_of(path), std::move(shape));
  file.write(values.data(), values.size() / row_size);
  file.close();
}

/// The attention of one token to all patches, or a rollout of it.
programs::AttentionPicture attention_picture(const beit::AnyBeit& model, const beit::Matrix& x, const Options& options,
                                             beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  const Index tokens = config.num_tokens();
  std::vector<Index> blocks;
  if (!options.rollout) blocks.push_back(options.block);
  const std::vector<beit::Matrix> weights = model.forward_attention(x, blocks, workspace);

  Eigen::MatrixXd map;  // (N, N)
  std::string what;
  if (options.rollout) {
    map = programs::attention_rollout(weights);
    what = "attention rollout through " + std::to_string(config.depth) + " blocks";
    write_npy(options.npy, beit::Matrix(map.cast<float>().eval()), {tokens});
  } else {
    what = "attention, " + block_text(options, config);
    if (options.head) {
      map = weights[0].map().middleRows(*options.head * tokens, tokens).cast<double>();
      what += ", head " + std::to_string(*options.head) + " (0 to " + std::to_string(config.num_heads - 1) + ")";
    } else {
      map = programs::mean_of_heads(weights[0]);
      what += ", mean of " + std::to_string(config.num_heads) + " heads";
    }
    write_npy(options.npy, weights[0], {tokens, tokens});
  }

  const Index token = options.patch ? 1 + options.patch->first * config.grid().width + options.patch->second : 0;
  std::string whose = "the class token";
  if (options.patch) {
    whose = std::string("the patch at ")
                .append(std::to_string(options.patch->first))
                .append(",")
                .append(std::to_string(options.patch->second));
  }
  const beit::Image image = programs::what_the_model_sees(x.data(), config.preprocessing, options.size);
  programs::AttentionPicture picture(image,
                                     {what, "of " + whose + " to each patch; to the class token " +
                                                programs::AttentionPicture::percent(map(token, 0))},
                                     programs::AttentionPicture::Legend::bar);
  const Eigen::RowVectorXd row = map.row(token).tail(tokens - 1);
  picture.draw(
      programs::PatchMap({row.data(), row.data() + row.size()}, config.grid(), {image.height(), image.width()}));
  if (options.patch) picture.frame(options.patch->first, options.patch->second, config.grid());
  return picture;
}

/// The first three principal components of the patches' features after a block.
programs::AttentionPicture pca_picture(const beit::AnyBeit& model, const beit::Matrix& x, const Options& options,
                                       beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  const beit::Intermediates features = model.forward_intermediates(
      x, {.indices = {options.block}, .norm = true, .stop_early = true, .output_fmt = beit::OutputFormat::nlc},
      workspace);
  const programs::PrincipalComponents components = programs::principal_components(features.intermediates[0], 3);
  const beit::Matrix scores(beit::RowMajorMatrix(components.scores.cast<float>()));
  write_npy(options.npy, scores, {config.grid().width, 3});

  const beit::Image image = programs::what_the_model_sees(x.data(), config.preprocessing, options.size);
  programs::AttentionPicture picture(image,
                                     {"principal components of the patch features, " + block_text(options, config),
                                      "red 1, green 2, blue 3; beside each alone, its part of the variance"},
                                     programs::AttentionPicture::Legend::components);
  const auto map = [&](Index i) {
    const auto column = components.scores.col(i);
    return programs::PatchMap({column.data(), column.data() + column.size()}, config.grid(),
                              {image.height(), image.width()});
  };
  picture.draw(std::array{map(0), map(1), map(2)}, components.variance);
  return picture;
}

int draw(const CLI::App& app, const Options& options) {
  // Before the work: a name that can't be written.
  beit::AtomicFile file(programs::path_of(options.output));
  beit::ThreadPool pool(options.threads);
  const auto model = programs::load_model(options.model, options.precision, pool, options.image_size);
  const beit::Config& config = model.config();
  require_in_range(options, config);
  beit::Workspace workspace(pool);
  if (options.verbose) programs::describe(app, options, programs::model_text(config), workspace.executor());

  const beit::Image image = beit::read_image(programs::path_of(options.image), options.decode);
  const beit::Matrix x = beit::preprocess(config, std::vector{image}, workspace);
  const programs::AttentionPicture result =
      options.pca ? pca_picture(model, x, options, workspace) : attention_picture(model, x, options, workspace);
  const programs::TextPicture& picture = result.picture();
  file.write(programs::encode_png(picture.pixels(), picture.height(), picture.width()));
  if (programs::stop_signal != 0) throw programs::Interrupted();
  file.close();
  return 0;
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
         "Whose attention: a patch's, from 0,0 at the top left [the class token's]")
      ->option_text("ROW,COLUMN");
}

void add_own_options(CLI::App& app, Options& options) {
  app.footer(
      "The picture shows the image as the model sees it (resized and cropped) and, over it, how much of its attention\n"
      "a token gives to each patch; the whole of it is 100 %.");
  app.add_option("-o,--output", options.output, "Picture to write")
      ->option_text("OUT.png")
      ->required()
      ->check(programs::name_in(".png"));
  add_patch_option(app, options);
  CLI::Option* const block =
      app.add_option("--block", options.block, "Which block, from 0; negative: from the end [-1]")->option_text("N");
  app.add_option("--head", options.head, "Which head, from 0 [the mean of all]")
      ->option_text("N")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--rollout", options.rollout,
               "Not one block, but attention rollout: from the last block down to the image");
  app.add_flag("--pca", options.pca,
               "Not attention, but the features of the patches after the block: their first three\n"
               "principal components as red, green and blue, and each alone");
  app.add_option("--size", options.size, "Pixels of the image's longer side in the picture [896]")
      ->option_text("N")
      ->check(CLI::Range(160, 4096));
  app.add_option("--npy", options.npy,
                 "Also write the numbers, float32: attention (heads, N, N), rows are queries, the\n"
                 "class token first; a rollout (N, N); components (rows, columns, 3)")
      ->option_text("OUT.npy")
      ->check(programs::name_in(".npy"));
  app.add_option("IMAGE", options.image, "An image file")->option_text(" ")->required();
  programs::add_options(app, options, false);
  programs::add_image_size(app, options);
  app.remove_option(app.get_option("--batch-size"));
  options.batch_size = 1;
  app.callback([&options, block] {
    if (options.rollout && (*block || options.head)) {
      throw CLI::ValidationError("--rollout takes all blocks and heads: found --block or --head beside it");
    }
    if (options.pca && (options.rollout || options.patch || options.head)) {
      throw CLI::ValidationError("--pca draws no attention: found --rollout, --patch or --head beside it");
    }
  });
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Draws what of an image a BEiT model attends to.", "beit-attention");
  add_own_options(app, options);
  return programs::run(app, argc, argv, [&] { return draw(app, options); });
}
