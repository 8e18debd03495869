// Includes and instantiates what users do, to be compiled with strict warnings as errors.
#include <beit/beit.hpp>
#include <beit/transfer/cross_validation.hpp>
#include <beit/transfer/linear_probe.hpp>
#include <beit/transfer/nearest.hpp>
#include <beit/transfer/save_head.hpp>
#include <cstdint>
#include <tuple>

template class beit::Beit<float>;
template class beit::Beit<Eigen::bfloat16>;
template class beit::Beit<std::int8_t>;
template class beit::MaskedImageModel<float>;
template class beit::Tokenizer<float>;

void strict();
void strict() {
  const beit::Image image = beit::read_image("image.png");
  const auto model = beit::load<float>("model.safetensors", beit::LoadOptions{.image_size = {320, 480}});
  std::ignore = beit::classify(model, image, 5);
  std::ignore = beit::embed(model, image);
  std::ignore = beit::load_masked_image_model<float>("model.safetensors");
  std::ignore = beit::load_tokenizer<float>("tokenizer.safetensors").encode(image);
}
