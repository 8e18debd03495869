// beit-mask: hides patches of images, and shows which visual tokens a masked-image model names for them.
#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>

#include "demo_masked_model.hpp"
#include "demo_tokenizer.hpp"
#include "inputs/finite.hpp"
#include "inputs/sources.hpp"
#include "json_lines.hpp"
#include "mask_picture.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "picture_file.hpp"
#include "program.hpp"
#include "what_the_model_sees.hpp"

namespace {

using beit::Index;

struct Options : programs::Options {
  std::string tokenizer;
  std::string output;
  std::string npy;
  double ratio = 0.4;
  std::uint64_t seed = 0;
  std::string mask;
  Index size = 448;
  bool json = false;
};

/// A picture with more rows would be too long to look at.
constexpr Index most_rows = 64;

/// Parses "0110,1001": one digit per patch, row after row. Throws ArgumentError unless the text fits the grid.
std::vector<std::uint8_t> parse_mask(const std::string& text, beit::Size grid) {
  std::vector<std::uint8_t> mask;
  std::string rows = text + ",";
  const auto fail = [&] {
    throw beit::ArgumentError("--mask: found '" + text.substr(0, 60) + "', wanted " + std::to_string(grid.height) +
                              " rows of " + std::to_string(grid.width) +
                              " digits separated by commas, 1 for each hidden patch");
  };
  for (std::size_t end = 0; (end = rows.find(',')) != rows.npos; rows.erase(0, end + 1)) {
    if (static_cast<Index>(end) != grid.width || rows.find_first_not_of("01") < end) fail();
    for (std::size_t i = 0; i < end; ++i) mask.push_back(rows[i] == '1');
  }
  if (static_cast<Index>(mask.size()) != grid.area()) fail();
  return mask;
}

std::string percent(Index part, Index whole) {
  return std::to_string(whole == 0 ? 0 : (100 * part + whole / 2) / whole) + " %";
}

/// Counts hidden tokens, and how many of them the model predicts.
struct Score {
  Index hidden = 0, right = 0, among_five = 0;

  void add(const Score& other) {
    hidden += other.hidden;
    right += other.right;
    among_five += other.among_five;
  }
  /// "8 of 20 hidden tokens right (40 %), 15 in the top 5 (75 %)"
  std::string text() const {
    return std::to_string(right) + " of " + std::to_string(hidden) + " hidden tokens right (" + percent(right, hidden) +
           "), " + std::to_string(among_five) + " in the top 5 (" + percent(among_five, hidden) + ")";
  }
};

/// The tokens (patches,) of one image, from the tokenizer and as predicted.
struct Result {
  beit::Tokens wanted, predicted;
  Score score;
  std::string fault;  // why the prediction can't be used; empty if it can
};

class Masker {
 public:
  Masker(const Options& options, const beit::Executor& executor)
      : model_(beit::load_any_masked_image_model(source(options.model, programs::demo_masked_model(), "demo model"),
                                                 options.load_options(executor))),
        tokenizer_(beit::load_any_tokenizer(
            source(options.tokenizer, programs::demo_tokenizer(), "demo tokenizer"),
            {.grid = config().grid(), .executor = executor, .precision = model_->precision()})),
        preprocessing_(tokenizer_->preprocessing_for(model_->config().preprocessing)) {
    if (tokenizer_->vocab_size() == model_->config().vocab_size) return;
    throw beit::ArgumentError("found a model with " + std::to_string(model_->config().vocab_size) +
                              " visual tokens and a tokenizer with " + std::to_string(tokenizer_->vocab_size()) +
                              ", wanted the tokenizer that the model was trained with");
  }

  const beit::MaskedImageConfig& config() const { return model_->config(); }
  const beit::AnyTokenizer& tokenizer() const { return *tokenizer_; }

  /// Predicts the hidden tokens of one image. x (3*H*W,) is the image as the model sees it.
  Result run(const beit::Image& image, const float* x, const std::vector<std::uint8_t>& mask,
             beit::Workspace& workspace) const {
    const Index patches = config().grid().area(), vocabulary = config().vocab_size;
    Result result{{config().grid(), std::vector<std::int32_t>(static_cast<std::size_t>(patches))}, {}, {}, {}};
    const beit::Matrix small =
        beit::preprocess(preprocessing_, std::span(&image, 1), workspace, beit::TensorLayout::channels_last);
    tokenizer_->encode(small, workspace, result.wanted.values);
    result.predicted = result.wanted;
    beit::Matrix logits(patches, vocabulary);
    model_->forward(Eigen::Map<const beit::RowMajorMatrix>(x, 1, 3 * config().image_size.area()), mask, workspace,
                    logits);
    result.fault = programs::fault_of(std::span<const float>(logits.data(), static_cast<std::size_t>(logits.size())));
    for (Index i = 0; i < patches; ++i) {
      if (mask[static_cast<std::size_t>(i)] == 0) continue;
      const float* const row = logits.row(i);
      const std::int32_t wanted = result.wanted.values[static_cast<std::size_t>(i)];
      const Index better = std::count_if(row, row + vocabulary, [&](float y) { return y > row[wanted]; });
      ++result.score.hidden;
      result.score.right += better == 0;
      result.score.among_five += better < 5;
      result.predicted.values[static_cast<std::size_t>(i)] =
          static_cast<std::int32_t>(std::max_element(row, row + vocabulary) - row);
    }
    return result;
  }

 private:
  /// The file at `path`, or `embedded`, which messages call `name`, if the path is empty.
  static beit::Source source(const std::string& path, std::span<const std::byte> embedded, const char* name) {
    if (path.empty()) return beit::MemoryFiles{embedded, name};
    return programs::path_of(path);
  }

  std::unique_ptr<const beit::AnyMaskedImageModel> model_;
  std::unique_ptr<const beit::AnyTokenizer> tokenizer_;
  beit::Preprocessing preprocessing_;  // the tokenizer's, for the crop that the model sees
};

/// The numbers for --npy of one image, (3, h*w): its tokens, the predicted tokens, and the mask.
std::vector<std::int32_t> rows_of(const Result& result, const std::vector<std::uint8_t>& mask) {
  std::vector<std::int32_t> rows(result.wanted.values);
  rows.insert(rows.end(), result.predicted.values.begin(), result.predicted.values.end());
  rows.insert(rows.end(), mask.begin(), mask.end());
  return rows;
}

/// Reads an image. If that fails, prints a line to standard error and returns nothing.
std::optional<beit::Image> read_item(const CLI::App& app, const programs::Item& item,
                                     const beit::DecodeOptions& options) {
  std::string error = item.error;
  if (error.empty()) {
    try {
      return beit::read_image(programs::path_of(item.path), options);
    } catch (const beit::Error& caught) {
      error = programs::for_users(caught.what());
    }
  }
  programs::print_error(app, error.starts_with(item.path + ": ") ? error : item.path + ": " + error);
  return std::nullopt;
}

void print(const Options& options, const programs::Item& item, const Score& score, std::uint64_t seed) {
  if (options.json) {
    programs::FloatJson object{{"image", item.path},
                               {"hidden", score.hidden},
                               {"right", score.right},
                               {"among_five", score.among_five},
                               {"seed", seed}};
    programs::note_demo(options, object, programs::unlike_demo_text(item));
    programs::print_json(object);
  } else {
    std::cout << programs::one_line(item.path) << ": " << score.text() << '\n';
  }
}

/// The pictures of one image, in the order of MaskPicture::titles.
std::array<beit::Image, 4> panels(const Masker& masker, const beit::Matrix& x, const Result& result,
                                  const std::vector<std::uint8_t>& mask, Index size, beit::Workspace& workspace) {
  const beit::TrunkConfig& config = masker.config();
  const beit::Image seen = programs::what_the_model_sees(x.data(), config.preprocessing, size);
  const beit::Image hidden = programs::with_mask(seen, mask, config.grid());
  const beit::AnyTokenizer& tokenizer = masker.tokenizer();
  const auto shown = [&](const beit::Tokens& tokens) {
    if (tokenizer.codes().rows() > 0) {
      return programs::with_nearest_patches(hidden, mask, result.wanted, tokens, tokenizer.codes());
    }
    return programs::enlarged(tokenizer.decode(tokens, workspace), size, beit::Interpolation::bicubic);
  };
  return {seen, hidden, shown(result.wanted), shown(result.predicted)};
}

void write(const programs::TextPicture& picture, beit::AtomicFile& file) {
  file.write(programs::encode_png(picture.pixels(), picture.height(), picture.width()));
  file.close();
}

int mask_images(const CLI::App& app, const Options& options) {
  programs::Skipped skipped;
  std::vector<programs::Item> items = programs::list_images(options.images, skipped);
  programs::print_skipped(app, options, skipped);
  std::vector<programs::OutputName> outputs = programs::with_names("--npy", options.npy);
  outputs.push_back({"--output", programs::path_of(options.output), programs::OutputKind::png});
  std::vector<std::string> inputs{options.tokenizer};
  for (const programs::Item& item : items) inputs.push_back(item.path);
  programs::check_outputs(options, outputs, inputs);
  std::optional<beit::AtomicFile> picture_file;  // opened first, to refuse a name that can't be written before the work
  if (!options.output.empty()) picture_file.emplace(programs::path_of(options.output));
  beit::ThreadPool pool(options.threads);
  const Masker masker(options, pool);
  const beit::MaskedImageConfig& config = masker.config();
  const beit::Size grid = config.grid();
  beit::Workspace workspace(pool);
  programs::describe(app, options, programs::model_text(config), config.preprocessing, workspace.executor());

  const auto rows = static_cast<Index>(items.size());
  if (picture_file && rows > most_rows) {
    throw beit::ArgumentError("--output: found " + std::to_string(rows) + " images, wanted at most " +
                              std::to_string(most_rows) + " in a picture");
  }
  std::optional<programs::RowFiles> npy;
  if (!options.npy.empty())
    npy.emplace(programs::path_of(options.npy), std::vector{Index{3}, grid.height, grid.width}, beit::NpyType::int32);
  std::optional<programs::MaskPicture> picture;
  Score all;
  programs::Outcome outcome;
  programs::Timings timings;
  std::uint64_t next_seed = options.seed;
  programs::Progress progress(options.quiet);
  progress.set_total(items.size());
  for (programs::Item& item : items) {
    if (programs::stop_signal != 0) throw programs::Interrupted();
    const std::uint64_t seed = next_seed++;
    const std::optional<beit::Image> image =
        programs::timed(timings.decoding, [&] { return read_item(app, item, options.decode); });
    if (!image) {
      ++(item.unseen ? outcome.unseen : outcome.broken);
      continue;
    }
    item.describe(*image);
    const auto before = static_cast<std::size_t>(seed - options.seed);
    progress.show(before, before, 1);
    const std::vector<std::uint8_t> mask =
        options.mask.empty() ? beit::block_mask(grid, options.ratio, seed) : parse_mask(options.mask, grid);
    const beit::Matrix x = programs::timed(timings.preprocessing,
                                           [&] { return beit::preprocess(config, std::span(&*image, 1), workspace); });
    const Result result = programs::timed(timings.model, [&] { return masker.run(*image, x.data(), mask, workspace); });
    progress.clear();
    item.error = result.fault;
    outcome.add(item);
    if (!item.error.empty()) {
      programs::print_error(app, item.path + ": " + item.error);
      continue;
    }
    all.add(result.score);
    print(options, item, result.score, seed);
    if (npy) npy->write(item.path, rows_of(result, mask));
    if (!picture_file) continue;
    const std::array<beit::Image, 4> images = panels(masker, x, result, mask, options.size, workspace);
    if (!picture) picture.emplace(beit::Size{images[0].height(), images[0].width()}, rows);
    picture->draw(images, result.score.text());
  }
  if (rows > 1 && !options.json) std::cout << "all: " << all.text() << '\n';
  if (npy) npy->close();
  if (picture) write(picture->picture(), *picture_file);
  progress.clear();
  programs::print_timings(app, options, timings);
  programs::print_unlike_demo(app, options, outcome);
  programs::print_summary(app, options, programs::names_of(outputs), outcome.done, progress.seconds());
  return outcome.status(options.strict);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Hides patches of images from a BEiT model and shows which visual tokens it predicts for them.",
               "beit-mask");
  app.footer(
      "This is BEiT's pre-training task: a tokenizer (DALL-E's discrete VAE, or VQ-KD for BEiT v2) turns each patch "
      "into\n"
      "a token, and the model predicts the tokens of the hidden patches. The picture has one row per image: the "
      "image,\n"
      "the image with the hidden patches in grey, the image as decoded from its original tokens, and as decoded with\n"
      "the predicted tokens in place of the hidden ones. Tokens of VQ-KD have no pixels: instead, the last two images\n"
      "show for each hidden patch the visible patch whose token is most like its original or predicted one.");
  app.add_option("-o,--output", options.output, "Picture to write, for up to 64 images")
      ->option_text("OUT.png")
      ->check(programs::name_in(".png"));
  app.add_option("--tokenizer", options.tokenizer,
                 "Tokenizer that the model was trained with; convert_tokenizer.py converts DALL-E's\n"
                 "and BEiT v2's [the demo tokenizer]")
      ->option_text("PATH")
      ->check(programs::not_empty());
  auto* const ratio = app.add_option("--ratio", options.ratio, "Fraction of the patches to hide, in blocks [0.4]")
                          ->option_text("R")
                          ->check(CLI::Range(0.0, 1.0))
                          ->check(programs::not_nan());
  auto* const seed =
      app.add_option("--seed", options.seed, "Seed of the masks; image i uses seed + i [0]")->option_text("N");
  auto* const mask = app.add_option("--mask", options.mask,
                                    "Patches to hide instead: one digit per patch, 1 for hidden, with rows separated\n"
                                    "by commas, such as 0110,0110,0000,0000")
                         ->option_text("ROWS");
  mask->excludes(ratio);
  mask->excludes(seed);
  app.add_flag("--json", options.json, "Print one JSON object per image, each on its own line");
  app.add_option("--npy", options.npy,
                 "Also write int32 (images, 3, rows, columns): the original tokens, the tokens with the\n"
                 "predicted ones in place, and the mask; and OUT.txt with the image's name for each row")
      ->option_text("OUT.npy")
      ->check(programs::name_in(".npy"));
  app.add_option("--size", options.size, "Length of each image's longer side in the picture, in pixels [448]")
      ->option_text("N")
      ->check(CLI::Range(160, 4096));
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  app.remove_option(app.get_option("--batch-size"));
  app.get_option("--model")->description(
      "Masked-image model: a file that convert.py made from a pre-trained checkpoint, or a\n"
      "folder with Hugging Face's BeitForMaskedImageModeling [a small demo model that knows\n"
      "ten kinds of clothes]");
  options.batch_size = 1;
  programs::add_examples(app, {"beit-mask -o tokens.png photo.jpg", "beit-mask --ratio 0.75 --seed 1 --json photos/",
                               "beit-mask --mask 0110,0110,0000,0000 photo.jpg"});
  return programs::run(app, argc, argv, [&] { return mask_images(app, options); });
}
