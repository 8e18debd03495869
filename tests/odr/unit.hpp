// The interface of a unit of the program. It has only plain types, because beit's have other names in a unit of other
// flags.
#pragma once

#include <cstdint>
#include <vector>

struct Pixels {
  const std::uint8_t* data;  // (height, width, 3)
  std::ptrdiff_t height, width;
};

struct Unit {
  const char* flags;
  /// The logits (K,) of an image.
  std::vector<float> (*logits)(const char* model, const Pixels& image);
  /// The pixels (height, width, 3) of an image file, after its height and width.
  std::vector<std::uint8_t> (*decode)(const char* path, Pixels& size);
  /// Throws a beit::FileError.
  void (*fail)();
  /// Whether `fail` throws what this unit knows as beit::FileError and as beit::Error.
  bool (*catches)(void (*fail)());
};
