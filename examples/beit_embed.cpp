// beit-embed: writes a model's features of images to a .npy file.
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "inputs.hpp"
#include "output.hpp"
#include "program.hpp"

namespace {

struct Options : programs::Options {
  std::string output;
  std::string tokens = "pooled";
};

/// What an image's row of the output is: (C,), (Gh, Gw, C) or (N, C).
std::vector<beit::Index> row_shape(const beit::Config& config, const std::string& tokens) {
  if (tokens == "patch") return {config.grid().height, config.grid().width, config.embed_dim};
  if (tokens == "all") return {config.num_tokens(), config.embed_dim};
  return {config.embed_dim};
}

template <typename Weight>
int embed(const CLI::App& app, const Options& options) {
  const beit::Beit<Weight> model = programs::load_model<Weight>(options);
  const beit::Config& config = model.config();
  beit::ThreadPool pool(options.threads);
  beit::Workspace workspace(pool);
  if (options.verbose) programs::describe(app, options, config, workspace.executor());
  programs::RowFiles files(options.output, row_shape(config, options.tokens));

  const bool pool_tokens = options.tokens == "pooled";
  // An image's tokens begin with the class token.
  const beit::Index first_token = options.tokens == "patch" ? 1 : 0;
  const beit::Index rows_per_image = pool_tokens ? 1 : config.num_tokens();
  programs::BatchReader reader(programs::list_inputs(options.images), config, options.decode, options.batch_size,
                               workspace.executor());
  while (reader.next()) {
    const beit::ConstRows x = reader.x();
    beit::Matrix features(x.rows() * rows_per_image, config.embed_dim);
    if (x.rows() > 0 && pool_tokens) {
      beit::Rows tokens =
          workspace.rows(beit::Workspace::tokens, x.rows() * config.num_tokens(), config.embed_dim);  // (B*N, C)
      model.forward_features(x, workspace, tokens);
      model.forward_head(tokens, workspace, features, true);
    } else if (x.rows() > 0) {
      model.forward_features(x, workspace, features);
    }
    beit::Index row = first_token;
    for (const auto& [name, error, path] : reader.inputs()) {
      if (!error.empty()) {
        programs::print_error(app, name + ": " + error);
        continue;
      }
      files.write(name, features.row(row));
      row += rows_per_image;
    }
  }
  files.close();
  return reader.any_failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Writes a BEiT model's features of images to a .npy file, one row an image.", "beit-embed");
  app.add_option("--output", options.output, "File to write, float32; OUT.txt names the image of each row")
      ->option_text("OUT.npy")
      ->required()
      ->check(programs::npy_name());
  app.add_option("--tokens", options.tokens,
                 "Features to write [pooled]:\n"
                 "pooled  what the classifier sees (images, C)\n"
                 "class   the class token (images, C)\n"
                 "patch   the patch tokens (images, rows, columns, C)\n"
                 "all     class token, then patches (images, 1 + rows * columns, C)")
      ->option_text("WHICH")
      ->check(CLI::IsMember({"pooled", "class", "patch", "all"}));
  programs::add_options(app, options);
  return programs::run(app, argc, argv, [&] {
    return programs::with_weight(options, [&]<typename Weight>() { return embed<Weight>(app, options); });
  });
}
