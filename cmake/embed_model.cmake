# Turns a file into a C++ source that defines NAMESPACE::NAME(), which NAME.hpp declares:
#   cmake -D FILE=file -D OUTPUT=source.cpp -D NAME=demo_model -D NAMESPACE=programs -P embed_model.cmake
# Words of 64 bits compile several times faster than bytes. Their bytes are in the order of a little-endian machine,
# which the library requires anyway.
file(SIZE "${FILE}" size)
file(READ "${FILE}" hex HEX)
math(EXPR missing "(8 - ${size} % 8) % 8")
string(REPEAT "00" ${missing} padding)
string(REGEX REPLACE "(..)(..)(..)(..)(..)(..)(..)(..)" "0x\\8\\7\\6\\5\\4\\3\\2\\1,\n" words "${hex}${padding}")
file(
  WRITE "${OUTPUT}"
  "#include \"${NAME}.hpp\"

#include <cstdint>

namespace {
alignas(64) constexpr std::uint64_t words[] = {
${words}};
}  // namespace

std::span<const std::byte> ${NAMESPACE}::${NAME}() { return {reinterpret_cast<const std::byte*>(words), ${size}}; }
")
