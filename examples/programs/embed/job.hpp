// The options on which embeddings depend, as job.json records them.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <beit/beit.hpp>

#include "../model.hpp"
#include "../program.hpp"
#include "hash.hpp"
#include "shard_folder.hpp"

namespace programs {

/// The options on which a row depends, besides its number type. `demo` is the model that stands for no --model, and
/// `tokens` the kind of features. The model's text is the hash of its files and, if --image-size is given, the size.
inline Json feature_options(const Options& options, std::span<const std::byte> demo, const std::string& tokens,
                            beit::PassOrder pass_order) {
  std::string model = fingerprint(options, demo);
  if (options.image_size != beit::Size{}) model += " " + size_text(options.image_size);
  Json features{{"model", model},
                {"precision", options.precision},
                {"tokens", tokens},
                {pass_order_key, beit::pass_order_name(pass_order)},
                {"max_pixels", options.decode.max_pixels},
                {"apply_exif_orientation", options.decode.apply_exif_orientation},
                {"allow_truncated", options.decode.allow_truncated},
                {"jpeg_decoder", BEIT_USE_LIBJPEG_TURBO ? "libjpeg-turbo" : "stb_image"}};
  note_demo(options, features);
  return features;
}

}  // namespace programs
