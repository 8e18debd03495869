// BEiT for C++: image classification and feature extraction with timm's numbers.
//
//   auto model = beit::load<float>("beit_base.safetensors");  // or a folder as timm publishes it
//   auto image = beit::read_image("chelsea.png");
//   for (const auto& [index, label, score] : beit::classify(model, image, 5)) ...
//   std::vector<float> features = beit::embed(model, image);
#pragma once

/// \namespace beit
/// The library. `load`, `read_image`, `classify` and `embed` are what most programs call.

#include <beit/core/error.hpp>
#include <beit/core/executor.hpp>
#include <beit/core/index.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/image/decode.hpp>
#include <beit/image/image.hpp>
#include <beit/image/transform.hpp>
#include <beit/io/npy.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/model/beit.hpp>
#include <beit/model/block_mask.hpp>
#include <beit/model/classify.hpp>
#include <beit/model/config.hpp>
#include <beit/model/load.hpp>
#include <beit/model/presets.hpp>
#include <beit/model/segment.hpp>
#include <beit/model/tokenizer.hpp>
