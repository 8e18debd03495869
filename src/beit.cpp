// The library that programs compiled with BEIT_COMPILED link (core/compiled.hpp): every definition that their headers
// leave out.
#define BEIT_COMPILING

#include <cstdint>

#include <beit/beit.hpp>
#include <beit/model/any_beit.hpp>

namespace beit::inline BEIT_ABI {

#define BEIT_INSTANTIATE(Weight)                                                                                    \
  template const kernels::PrecisionKernels& kernels::precision_kernels_of<WeightTraits<Weight>::precision>(Isa);    \
  template class Beit<Weight>;                                                                                      \
  template Beit<Weight> detail::load_from(const std::filesystem::path&, Part, const LoadOptions&, const Executor&); \
  template Beit<Weight> detail::load_from(std::span<const std::byte>, std::string, Part, const LoadOptions&,        \
                                          const Executor&);                                                         \
  template MaskedImageModel<Weight> detail::load_from(const std::filesystem::path&, Part, const LoadOptions&,       \
                                                      const Executor&);                                             \
  template MaskedImageModel<Weight> detail::load_from(std::span<const std::byte>, std::string, Part,                \
                                                      const LoadOptions&, const Executor&);                         \
  template Tokenizer<Weight> detail::tokenizer_from(const SafeTensors&, const TokenizerOptions&, const Executor&)

BEIT_INSTANTIATE(float);
BEIT_INSTANTIATE(FloatFast);
BEIT_INSTANTIATE(Eigen::bfloat16);
BEIT_INSTANTIATE(std::int8_t);

#undef BEIT_INSTANTIATE

}  // namespace beit::inline BEIT_ABI
