// Reads the image processors of Hugging Face's transformers: preprocessor_config.json and processor_config.json.
#pragma once

#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/image/transform.hpp>
#include <beit/model/config.hpp>
#include <beit/model/json_field.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// The filters in the order of Pillow's numbers.
inline constexpr Interpolation pillow_filters[]{Interpolation::nearest, Interpolation::lanczos, Interpolation::bilinear,
                                                Interpolation::bicubic, Interpolation::box,     Interpolation::hamming};

/// Means and deviations of red, green and blue.
struct ChannelStatistics {
  float mean[3], std[3];
};
inline constexpr ChannelStatistics half_statistics{{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}};
inline constexpr ChannelStatistics imagenet_statistics{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
inline constexpr ChannelStatistics clip_statistics{{0.48145466f, 0.4578275f, 0.40821073f},
                                                   {0.26862954f, 0.26130258f, 0.27577711f}};

/// A class of image processors in transformers, by its defaults: the values of keys that a file lacks.
struct ImageProcessorType {
  std::string_view name;
  Interpolation resample;
  Size size;            ///< A width of 0 makes the height that of the shorter edge.
  bool number_is_edge;  ///< Whether a `size` that is a number is the shorter edge instead of both sides.
  Size crop_size;       ///< 0 x 0: the class has none.
  bool do_center_crop;
  const ChannelStatistics& normalisation;
  bool normalises_twice = false;  ///< Whether it has include_top and rescale_offset.
};

/// The classes whose arithmetic is the same: resize, crop, rescale, normalise.
///
/// Source: the classes called ...ImageProcessorPil in transformers 5.24, models/*/image_processing_pil_*.py.
inline constexpr std::array<ImageProcessorType, 12> image_processor_types{{
    {"BeitImageProcessor", Interpolation::bicubic, {224, 224}, false, {224, 224}, false, half_statistics},
    {"ViTImageProcessor", Interpolation::bilinear, {224, 224}, false, {}, false, half_statistics},
    {"DeiTImageProcessor", Interpolation::bicubic, {256, 256}, false, {224, 224}, true, half_statistics},
    {"CLIPImageProcessor", Interpolation::bicubic, {224, 0}, true, {224, 224}, true, clip_statistics},
    {"ChineseCLIPImageProcessor", Interpolation::bicubic, {224, 0}, true, {224, 224}, true, clip_statistics},
    {"BitImageProcessor", Interpolation::bicubic, {224, 0}, true, {224, 224}, true, clip_statistics},
    {"BlipImageProcessor", Interpolation::bicubic, {384, 384}, false, {}, false, clip_statistics},
    {"SiglipImageProcessor", Interpolation::bicubic, {224, 224}, true, {}, false, half_statistics},
    {"PvtImageProcessor", Interpolation::bicubic, {224, 224}, false, {}, false, imagenet_statistics},
    {"MobileNetV1ImageProcessor", Interpolation::bilinear, {256, 0}, true, {224, 224}, true, half_statistics},
    {"MobileNetV2ImageProcessor", Interpolation::bilinear, {256, 0}, true, {224, 224}, true, half_statistics},
    {"EfficientNetImageProcessor", Interpolation::bicubic, {346, 346}, false, {289, 289}, false, half_statistics, true},
}};

/// The class that a processor's file names, or else config.json in `fallback`, or else BEiT's. ConfigError for a class
/// that isn't in the table.
BEIT_COLD inline const ImageProcessorType& image_processor_type(const JsonField& json, const JsonField& fallback) {
  JsonField field = json["image_processor_type"];
  if (!field.present()) field = json["feature_extractor_type"];  // until version 4
  if (!field.present()) field = fallback;
  if (!field.present()) return image_processor_types.front();
  std::string_view name = field.string();
  for (const std::string_view end : {"Fast", "Pil"}) {
    if (name.ends_with(end)) name.remove_suffix(end.size());
  }
  for (const std::string_view end : {"ImageProcessor", "FeatureExtractor"}) {
    if (name.ends_with(end)) name.remove_suffix(end.size());
  }
  std::string known;
  for (const ImageProcessorType& type : image_processor_types) {
    if (type.name.starts_with(name) && type.name.size() == name.size() + std::string_view("ImageProcessor").size()) {
      return type;
    }
    append_item(known, type.name);
  }
  field.fail(concat({"a processor of known arithmetic: ", known}));
}

/// Reads the arguments of an image processor.
class ImageProcessorReader {
 public:
  /// `fallback` is the class that config.json names, if it does.
  ImageProcessorReader(const JsonField& json, const JsonField& fallback)
      : json_(json), type_(image_processor_type(json, fallback)) {}

  /// The place of the size that read() returns, for messages.
  std::string size_where() const {
    return concat({json_.where(), flag("do_center_crop", type_.do_center_crop) ? ": crop_size" : ": size"});
  }

  /// Returns the preprocessing of a model with so many channels, for images of `wanted` pixels. ConfigError if it gives
  /// another size (0 x 0: any size is right), if the files contradict themselves, or for what the library can't do.
  BEIT_COLD Preprocessing read(Index channels, Size wanted) const {
    if (!flag("do_resize", true)) json_["do_resize"].fail("true: images come in any size");
    if (flag("do_pad", false)) json_["do_pad"].fail("false: padded images have other sizes");
    if (flag("use_square_size", false)) json_["use_square_size"].fail("false, and a size with height and width");
    refuse_second_normalisation();
    Preprocessing result;
    result.crop_mode = CropMode::squash;
    result.crop_pct = 1;
    result.interpolation = resample();
    const bool crops = flag("do_center_crop", type_.do_center_crop);
    result.resize_to = size("size", type_.size, type_.number_is_edge, true);
    result.input_size = crops ? size("crop_size", type_.crop_size, false, false) : result.resize_to;
    if (result.input_size.width == 0) {
      fail("size", "a shorter edge without do_center_crop", "do_center_crop, or height and width");
    }
    if (wanted != Size{} && result.input_size != wanted) {
      fail(crops ? "crop_size" : "size", size_text(result.input_size),
           concat({size_text(wanted), ", the model's image_size"}));
    }
    result.rescale_factor = 1;
    if (flag("do_rescale", true)) {
      result.rescale_factor = json_.has("rescale_factor") ? json_["rescale_factor"].number() : 1.0 / 255;
    }
    if (flag("do_normalize", true)) {
      result.mean = json_.has("image_mean")
                        ? json_["image_mean"].numbers(channels)
                        : std::vector<float>(type_.normalisation.mean, type_.normalisation.mean + 3);
      result.std = json_.has("image_std") ? json_["image_std"].divisors(channels)
                                          : std::vector<float>(type_.normalisation.std, type_.normalisation.std + 3);
      if (result.mean.size() != result.std.size()) {
        fail("image_std", concat({result.std.size(), " numbers"}),
             concat({result.mean.size(), ", as many as image_mean has"}));
      }
    } else {
      result.mean.assign(3, 0.0f);
      result.std.assign(3, 1.0f);
    }
    return result;
  }

 private:
  /// A flag; null means false.
  bool flag(const char* key, bool missing) const {
    if (!json_.has(key)) return missing;
    return json_[key].present() && json_[key].boolean();
  }

  Interpolation resample() const {
    if (!json_.has("resample")) return type_.resample;
    const JsonField field = json_["resample"];
    if (!field.present() || field.integer() >= std::ssize(pillow_filters)) {
      field.fail("Pillow's number of a filter, 0 to 5");
    }
    return pillow_filters[field.integer()];
  }

  /// A size: a number, [height, width], {"height", "width"} or, if `edge` is allowed, {"shortest_edge"}.
  Size size(const char* key, Size missing, bool number_is_edge, bool edge) const {
    const JsonField field = json_[key];
    if (!json_.has(key)) {
      if (missing == Size{}) fail(key, "nothing", "the size of the crop");
      return missing;
    }
    Size result{};
    if (const auto* const object = object_in(field.value())) {
      const bool is_edge = object->size() == 1 && field["shortest_edge"].present();
      if (edge && is_edge) return {side(field["shortest_edge"]), 0};
      if (object->size() != 2 || !field["height"].present() || !field["width"].present()) {
        field.fail(edge ? "a number, height and width, or shortest_edge" : "a number, or height and width");
      }
      return {side(field["height"]), side(field["width"])};
    }
    if (integer_in(field.value()) != nullptr && number_is_edge) return {side(field), 0};
    result = field.size();
    if (result.height < 1 || result.width < 1) field.fail("sides of at least 1");
    if (result.height > max_image_side || result.width > max_image_side) field.fail(too_long());
    return result;
  }
  static Index side(const JsonField& field) {
    const Index pixels = field.integer();
    if (pixels < 1) field.fail("at least 1");
    if (pixels > max_image_side) field.fail(too_long());
    return pixels;
  }
  static std::string too_long() { return concat({"sides of at most ", max_image_side}); }

  /// EfficientNet's processor divides by the deviation a second time.
  void refuse_second_normalisation() const {
    if (!type_.normalises_twice) return;
    if (flag("include_top", true)) {
      fail("include_top", "true", "false: images that are divided by image_std a second time aren't implemented");
    }
    if (flag("rescale_offset", false)) json_["rescale_offset"].fail("false: an offset isn't implemented");
  }

  /// Throws ConfigError for a value that the file has or that the class has by default.
  [[noreturn]] void fail(std::string_view key, std::string_view found, std::string_view wanted) const {
    throw ConfigError(
        concat({json_.where(), ": ", key, ": found ", found,
                json_.has(key) ? "" : concat({" (the default of ", type_.name, ")"}), ", wanted ", wanted}));
  }

  JsonField json_;
  const ImageProcessorType& type_;
};

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
