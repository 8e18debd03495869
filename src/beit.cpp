// The library that programs compiled with BEIT_COMPILED link (core/compiled.hpp): every definition that their headers
// leave out.
#define BEIT_COMPILING

#include <cstdint>

#include <beit/beit.hpp>
#include <beit/model/load_any.hpp>

namespace beit::inline BEIT_ABI {

#define BEIT_INSTANTIATE(Weight)                                                                                 \
  template const kernels::PrecisionKernels& kernels::precision_kernels_of<WeightTraits<Weight>::precision>(Isa); \
  template class Trunk<Weight>;                                                                                  \
  template class Beit<Weight>;                                                                                   \
  template class MaskedImageModel<Weight>;                                                                       \
  template class SegmentationModel<Weight>;                                                                      \
  template class DvaeTokenizer<Weight>;                                                                          \
  template class VqTokenizer<Weight>;                                                                            \
  template class Tokenizer<Weight>;                                                                              \
  template Beit<Weight> load(const Source&, const LoadOptions&);                                                 \
  template MaskedImageModel<Weight> load_masked_image_model(const Source&, const LoadOptions&);                  \
  template SegmentationModel<Weight> load_segmentation_model(const Source&, const LoadOptions&);                 \
  template Tokenizer<Weight> load_tokenizer(const Source&, const LoadOptions&)

BEIT_INSTANTIATE(float);
BEIT_INSTANTIATE(FloatFast);
BEIT_INSTANTIATE(Eigen::bfloat16);
BEIT_INSTANTIATE(std::int8_t);

#undef BEIT_INSTANTIATE

}  // namespace beit::inline BEIT_ABI
