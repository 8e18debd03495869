// The kinds of models that a file may hold, and the errors if it holds another kind than wanted.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/model/load_options.hpp>
#include <beit/model/weight_names.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// A kind of model. Names of parameters are timm's, or the file's if timm has none; each stands for all names that
/// begin with it.
struct ModelKind {
  std::string_view name;                    ///< The name in messages.
  std::string_view loader;                  ///< The function that loads it; empty if there is none.
  std::array<std::string_view, 2> proof{};  ///< Parameters that prove the kind: a file of it has at least one of them.
  std::array<std::string_view, 6> head{};   ///< The parameters of its head, which features_only leaves out.
  std::string_view unused{};                ///< Parameters that the file may have but the model doesn't use.
  bool trunk = true;                        ///< Whether features_only can read it.
  bool norm = true;                         ///< Whether its trunk always has a last norm.
  bool codebook = false;                    ///< Whether it is a tokenizer whose tokens are codes of a codebook.
  std::string_view maker = "weights_tools/convert.py";  ///< The tool that makes such files.
};

/// All kinds. A file is of the first kind whose proof it has.
inline constexpr std::array model_kinds{
    ModelKind{.name = "a tokenizer",
              .loader = "load_tokenizer",
              .proof = {"encoder.blocks.input.", "decoder.blocks.input."},
              .trunk = false,
              .maker = "weights_tools/convert_tokenizer.py"},
    ModelKind{.name = "a masked-image model",
              .loader = "load_masked_image_model",
              .proof = {"lm_head."},
              .head = {"lm_head.", "lm_norm.", "mask_token"}},
    ModelKind{.name = "BEiT v2's tokenizer",
              .loader = "load_tokenizer",
              .proof = {"quantize."},
              .trunk = false,
              .codebook = true,
              .maker = "weights_tools/convert_tokenizer.py"},
    ModelKind{.name = "a segmentation model",
              .loader = "load_segmentation_model",
              .proof = {"decode_head."},
              .head = {"decode_head.", "auxiliary_head.", "fpn1.", "fpn2."},
              .unused = "auxiliary_head.",
              .norm = false},
    ModelKind{
        .name = "a BEiT classifier", .loader = "load", .proof = {"head."}, .head = {"head."}, .unused = "mask_token"},
    ModelKind{.name = "a BEiT without a head", .loader = "load", .proof = {"cls_token"}, .unused = "mask_token"},
};

/// Whether a parameter belongs to the head of some kind.
BEIT_COLD inline bool is_of_a_head(std::string_view parameter) {
  for (const ModelKind& kind : model_kinds) {
    for (const std::string_view start : kind.head) {
      if (!start.empty() && parameter.starts_with(start)) return true;
    }
  }
  return false;
}

/// The first kind that `loader` loads.
BEIT_COLD inline const ModelKind& kind_loaded_by(std::string_view loader) {
  const ModelKind* kind = model_kinds.data();
  while (kind->loader != loader) ++kind;
  return *kind;
}

/// An option that one or two functions take and others refuse.
struct OptionRow {
  std::string_view name;
  bool (*given)(const LoadOptions& options);
  std::string_view loader;        ///< The function that takes it.
  std::string_view another = "";  ///< Another function that takes it.

  /// "load takes", or "load and load_segmentation_model take".
  BEIT_COLD std::string takers() const {
    return another.empty() ? concat({loader, " takes"}) : concat({loader, " and ", another, " take"});
  }
};

/// The options that not every function takes.
inline constexpr std::array option_rows{
    OptionRow{"features_only", [](const LoadOptions& options) { return options.features_only; }, "load"},
    OptionRow{"labels", [](const LoadOptions& options) { return !options.labels.empty(); }, "load",
              "load_segmentation_model"},
    OptionRow{"encoder", [](const LoadOptions& options) { return !options.encoder; }, "load_tokenizer"},
    OptionRow{"decoder", [](const LoadOptions& options) { return !options.decoder; }, "load_tokenizer"},
    OptionRow{"precision", [](const LoadOptions& options) { return options.precision.has_value(); }, "load_any"},
};

/// Returns the options of `loader`. ArgumentError if an option is set that only another function takes.
BEIT_COLD inline const LoadOptions& require_options(std::string_view loader, const LoadOptions& options) {
  for (const OptionRow& row : option_rows) {
    if (row.loader == loader || row.another == loader || !row.given(options)) continue;
    throw ArgumentError(concat({loader, ": found the option ", row.name, ", which ", row.takers(),
                                ", wanted only options for ", kind_loaded_by(loader).name}));
  }
  return options;
}

/// The kind of model in a file, or null.
BEIT_COLD inline const ModelKind* kind_of(const TimmNames& names) {
  for (const ModelKind& kind : model_kinds) {
    for (const std::string_view start : kind.proof) {
      if (!start.empty() && names.has_any(start)) return &kind;
    }
  }
  return nullptr;
}

/// Checks that `loader`, which has these options, reads the kind of model in the file called `file`. WeightError if it
/// doesn't.
BEIT_COLD inline const ModelKind& require_kind(const TimmNames& names, const std::string& file, std::string_view loader,
                                               const LoadOptions& options) {
  const ModelKind& wanted = kind_loaded_by(loader);
  const ModelKind* const found = kind_of(names);
  if (found == nullptr) {
    throw WeightError(concat({file, ": found no model, wanted ", wanted.name, ": ", wanted.maker, " makes one"}));
  }
  if (options.features_only ? found->trunk : found->loader == loader) return *found;
  throw WeightError(concat({file, ": found ", found->name,
                            found->loader.empty() ? std::string(", which this library can't load")
                                                  : concat({", which ", found->loader, " reads"}),
                            ", wanted ", wanted.name,
                            found->trunk && loader == "load" ? ": LoadOptions::features_only reads its trunk" : ""}));
}

/// Marks the parameters that a model of `kind` doesn't use as read.
BEIT_COLD inline void ignore_unused(const TimmNames& names, const ModelKind& kind, const LoadOptions& options) {
  if (!kind.unused.empty()) names.ignore(kind.unused);
  if (!options.features_only) return;
  for (const ModelKind& other : model_kinds) {
    for (const std::string_view start : other.head) {
      if (!start.empty()) names.ignore(start);
    }
  }
}

}  // namespace detail

}  // namespace beit::inline BEIT_ABI
