// Reads the names of a model's classes from a file of their own.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/path_text.hpp>
#include <beit/core/version.hpp>
#include <beit/io/json.hpp>
#include <beit/io/weight_files.hpp>
#include <beit/model/json_field.hpp>

namespace beit::inline BEIT_ABI {

namespace detail {

/// Splits text into lines, without carriage returns at their ends.
BEIT_COLD inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// The name in an element of a list: the text itself, or the last of several, as in ["n01440764", "tench"].
BEIT_COLD inline std::string name_in(const JsonField& field) {
  const auto* const parts = array_in(field.value());
  return parts == nullptr || parts->empty() ? field.text() : field.at(parts->back()).text();
}

/// Reads an object of names by index, {"0": "tench"}, or of indices by name, {"tench": 0}.
BEIT_COLD inline std::vector<std::string> labels_from_object(const JsonField& json) {
  const auto& object = *object_in(json.value());
  std::vector<std::string> labels(object.size());
  std::vector<bool> found(object.size());
  for (const auto& [key, value] : object) {
    const bool by_name = value.is_number();
    const bool digits = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!by_name && !digits) json.fail(concat({"names by index or indices by name, not \"", printable(key, 60), "\""}));
    const std::size_t index = by_name ? static_cast<std::size_t>(json.at(value).integer()) : std::stoul(key);
    if (index >= labels.size() || found[index]) {
      json.fail(
          concat({"one name for each index from 0 to ", labels.size() - 1, ", not \"", printable(key, 60), "\""}));
    }
    found[index] = true;
    labels[index] = by_name ? key : name_in(json.at(value));
  }
  return labels;
}

/// Reads the names in JSON: a list, an object by index or by name, or the configuration of a model.
BEIT_COLD inline std::vector<std::string> labels_from_json(const JsonField& json) {
  std::vector<std::string> labels;
  if (const auto* const list = array_in(json.value())) {
    for (const nlohmann::json& name : *list) labels.push_back(name_in(json.at(name)));
    return labels;
  }
  if (json["id2label"].present()) return labels_from_json(json["id2label"]);
  if (json["pretrained_cfg"]["label_names"].present()) return labels_from_json(json["pretrained_cfg"]);
  const JsonField names = json["label_names"];
  if (!names.present()) return labels_from_object(json);
  const JsonField descriptions = json["label_descriptions"];
  for (const std::string& name : labels_from_json(names)) {
    const JsonField description = descriptions[name];
    labels.push_back(description.present() ? description.text() : name);
  }
  return labels;
}

}  // namespace detail

/// Returns the names of classes, in the order of the logits, that the text of a file holds; messages call the file
/// `where`. The text is one of:
///   lines: one name per line, an empty one for a class without a name; empty lines at the end don't count;
///   JSON: a list of names, as torchvision's `weights.meta["categories"]`;
///     an object from index to name or to [id, name], as Keras's imagenet_class_index.json;
///     an object from name to index, as torchvision's `class_to_idx`;
///     a model's config.json with id2label (transformers') or label_names (timm's, whose label_descriptions are taken
///     where there are some).
/// A byte order mark is passed over. ConfigError for an index without a name, for other JSON, and for a text without
/// names.
[[nodiscard]] BEIT_COLD inline std::vector<std::string> labels_from_text(std::string_view text,
                                                                         const std::string& where) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> labels;
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string_view::npos && (text[begin] == '{' || text[begin] == '[')) {
    const nlohmann::json json = parse_json(text, where);
    labels = detail::labels_from_json({json, where});
  } else {
    labels = detail::lines_of(text);
    while (!labels.empty() && labels.back().empty()) labels.pop_back();
  }
  if (labels.empty()) throw ConfigError(detail::concat({where, ": found no names, wanted the names of the classes"}));
  return labels;
}

/// Reads the names of classes from a file, for LoadOptions::labels. The errors are those of labels_from_text, and
/// FileError if the file can't be read.
[[nodiscard]] BEIT_COLD inline std::vector<std::string> read_labels(const std::filesystem::path& path) {
  return labels_from_text(detail::read_text(path), detail::path_text(path));
}

}  // namespace beit::inline BEIT_ABI
