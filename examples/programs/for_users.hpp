// Turns the library's messages, which name its functions, into those of programs, which name options.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace programs {

/// Says in a message of the library which program reads a file, instead of which function does, names the option
/// instead of the field, and leaves out which function found a fault in an image.
inline std::string for_users(std::string text) {
  struct Row {
    std::string_view library, programs;
  };
  static constexpr Row rows[] = {
      {"load_masked_image_model reads", "beit-mask reads"},
      {"load_tokenizer reads", "beit-mask --tokenizer and beit-embed --tokens visual read"},
      {"load_segmentation_model reads", "beit-segment reads"},
      {"load reads", "beit-embed reads"},
      {": LoadOptions::features_only reads its trunk", ""},
      {"LoadOptions::preprocessing", "--preprocessing"},
  };
  for (const auto& [library, programs] : rows) {
    if (const std::size_t at = text.find(library); at != text.npos) text.replace(at, library.size(), programs);
  }
  // The starts of messages, after which comes what was found.
  static constexpr Row starts[] = {
      {"load: labels: ", "--labels: "},
      {"load_segmentation_model: labels: ", "--labels: "},
      {"load: found image size ", "--image-size: found "},
      {"load_masked_image_model: found image size ", "--image-size: found "},
      {"load_segmentation_model: found image size ", "--image-size: found "},
      {"load_tokenizer: found image size ", "--image-size: found "},
      {"preprocess: ", ""},
      {"resize: ", ""},
      {"segment: ", ""},
      {"Tokenizer: scores", "the tokenizer's scores"},
      {"Tokenizer: ", ""},
  };
  for (const auto& [library, programs] : starts) {
    const std::size_t at = text.find(library);
    if (at == 0 || (at != text.npos && text.substr(0, at).ends_with(": "))) {
      return text.replace(at, library.size(), programs);
    }
  }
  return text;
}

}  // namespace programs
