// The errors that the library throws. Every message says what was found, what was wanted, and where.
#pragma once

#include <stdexcept>

// Outside the inline namespace: an error thrown by one translation unit is caught by another.
namespace beit {

/// The base of every error that the library itself throws.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file that can't be opened, read, mapped or written.
class FileError : public Error {
 public:
  using Error::Error;
};

/// A weights file that is damaged, or a tensor that is missing, unexpected, mis-shaped or not finite.
class WeightError : public Error {
 public:
  using Error::Error;
};

/// An image that is damaged, too large, or in an unsupported format.
class ImageError : public Error {
 public:
  using Error::Error;
};

/// A configuration that is damaged, unknown, or contradicts the weights.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// An argument of the wrong shape or outside its range.
class ArgumentError : public Error {
 public:
  using Error::Error;
};

}  // namespace beit
