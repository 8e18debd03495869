// Runs a model on given numbers, for comparisons with other programs' arithmetic:
//   beit_run_model beit WEIGHTS X.npy OUT.npy [HxW]         x (B, 3*H*W) -> logits (B, K)
//   beit_run_model features WEIGHTS X.npy OUT.npy           x -> tokens of the trunk (B*N, C)
//   beit_run_model masked WEIGHTS X.npy MASK.npy OUT.npy    mask (B, patches) -> logits (B*patches, V)
//   beit_run_model segmentation WEIGHTS X.npy RULE OUT.npy  x, transformers or microsoft -> logits (B*h*w, K)
//   beit_run_model labels WEIGHTS IMAGE RULE OUT.npy        an image's file -> its label map (H, W)
//   beit_run_model encode WEIGHTS X.npy HxW OUT.npy         x (B, H*W*3), preprocessed -> scores of tokens (B*h*w, V)
//   beit_run_model decode WEIGHTS TOKENS.npy hxw OUT.npy    tokens (1, h*w) -> (H*W, 6), or BEiT v2's features (h*w, F)
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include <beit/beit.hpp>

namespace {

using beit::Matrix;
using beit::Size;

Size size_of(const std::string& text) { return {std::stol(text), std::stol(text.substr(text.find('x') + 1))}; }

template <typename Number>
std::vector<Number> numbers(const std::string& path) {
  const Matrix values = beit::read_npy(path);
  return {values.data(), values.data() + values.size()};
}

Matrix run(const std::vector<std::string>& a) {
  const std::string what = a.at(0), weights = a.at(1);
  beit::Workspace workspace;
  if (what == "beit") {
    const beit::LoadOptions options{.image_size = a.size() > 4 ? size_of(a[4]) : Size{}};
    return beit::load<float>(weights, options).forward(beit::read_npy(a.at(2)));
  }
  if (what == "features") {
    return beit::load<float>(weights, {.features_only = true}).forward_features(beit::read_npy(a.at(2)));
  }
  if (what == "masked") {
    return beit::load_masked_image_model<float>(weights).forward(beit::read_npy(a.at(2)),
                                                                 numbers<std::uint8_t>(a.at(3)));
  }
  if (what == "segmentation" || what == "labels") {
    const auto model = beit::load_segmentation_model<float>(weights);
    const beit::SegmentationRule rule = beit::segmentation_rule_from_name(a.at(3));
    if (what == "labels") {
      const beit::LabelMap map = beit::segment(model, beit::read_image(a.at(2)), {.as = rule}, workspace);
      Matrix out(map.size.height, map.size.width);
      std::copy(map.values.begin(), map.values.end(), out.data());
      return out;
    }
    const Matrix x = beit::read_npy(a.at(2));
    Matrix out(x.rows() * model.config().logits_size().area(), model.config().num_classes);
    model.forward(x, rule, workspace, out);
    return out;
  }
  const Size size = size_of(a.at(3));
  if (what == "encode") {
    const auto tokenizer = beit::load_tokenizer<float>(weights, {.image_size = size, .decoder = false});
    const Matrix x = beit::read_npy(a.at(2));
    Matrix out(x.rows() * tokenizer.grid().area(), tokenizer.vocab_size());
    tokenizer.forward(x, workspace, out);
    return out;
  }
  const auto tokenizer = beit::load_tokenizer<float>(weights, {.encoder = false});
  if (tokenizer.feature_dim() > 0) return tokenizer.decode_features({size, numbers<std::int32_t>(a.at(2))});
  Matrix out(tokenizer.dvae().decoder().image_size(size).area(), 6);
  tokenizer.dvae().decoder().forward(numbers<std::int32_t>(a.at(2)), size, workspace, out);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const Matrix out = run(arguments);
    beit::NpyWriter file(arguments.back().ends_with(".npy") ? arguments.back() : arguments.at(3), {out.cols()});
    file.write(out);
    file.close();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
