// beit-search: finds the images in a folder of embeddings that are most similar to the given ones.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/beit.hpp>
#include <beit/transfer/nearest.hpp>

#include "csv.hpp"
#include "demo_model.hpp"
#include "embed/job.hpp"
#include "embed/shard_folder.hpp"
#include "inputs/batches.hpp"
#include "inputs/input_progress.hpp"
#include "inputs/sources.hpp"
#include "json_lines.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "program.hpp"
#include "search/duplicates.hpp"
#include "search/index.hpp"
#include "search/page.hpp"
#include "search/same_features.hpp"

namespace {

/// The --tokens of beit-embed that a query is compared with.
constexpr const char* query_tokens = "pooled";

struct Options : programs::Options {
  std::string index, html;
  beit::Index k = 10;
  bool json = false, csv = false, exclude_self = false;
  std::optional<double> duplicates;
};

/// The label of an image, or null if it is unknown.
programs::FloatJson label_json(const std::string& label) {
  return label.empty() ? programs::FloatJson(nullptr) : programs::FloatJson(label);
}

void print_error(const Options& options, const std::string& query, const std::string& error) {
  if (options.json) programs::print_json({{"query", query}, {"error", error}});
  if (options.csv) programs::print_csv({programs::csv_field(query), "", "", "", "", programs::csv_field(error)});
}

void print(const Options& options, const programs::Results& results, bool with_name) {
  if (options.json) {
    programs::FloatJson list = programs::FloatJson::array();
    for (const auto& [path, label, score] : results.found) {
      list.push_back({{"path", path}, {"label", label_json(label)}, {"score", score}});
    }
    programs::FloatJson object{{"query", results.query}, {"found", list}};
    programs::note_demo(options, object, results.unlike_demo);
    programs::print_json(object);
  } else if (options.csv) {
    int rank = 0;
    for (const auto& [path, label, score] : results.found) {
      programs::print_csv({programs::csv_field(results.query), std::to_string(++rank), programs::csv_field(path),
                           programs::csv_field(label), programs::csv_field(score), ""});
    }
  } else {
    if (with_name) std::cout << programs::one_line(results.query) << '\n';
    for (const auto& [path, label, score] : results.found) {
      std::cout << std::fixed << std::setprecision(4) << std::setw(8) << score << "  " << programs::one_line(path)
                << '\n';
    }
  }
}

/// The images to look for, and what was found for each.
struct Queries {
  std::vector<programs::Results> results;
  std::vector<float> embeddings;  // (Q, C)
  programs::Outcome outcome;
  double seconds = 0;
};

Queries embed_queries(const CLI::App& app, const Options& options, const beit::AnyBeit& model,
                      beit::Workspace& workspace) {
  const beit::Config& config = model.config();
  programs::Skipped skipped;
  std::vector<programs::Item> images = programs::list_images(options.images, skipped);
  programs::print_skipped(app, options, skipped);
  programs::InputProgress progress(images.size(), options.quiet);
  programs::ItemList list(std::move(images));
  programs::Batches batches(list, config, options.decode, options.batch_size, workspace.executor().size());
  const auto forward = [&](const beit::ConstRows& x) { return beit::embed(model, x, workspace); };
  Queries queries;
  programs::run_batches(batches, progress, forward, [&](const programs::Item& item, std::span<const float> row) {
    queries.outcome.add(item);
    if (!row.empty()) {
      queries.results.push_back({item.path, {}, 0, programs::unlike_demo_text(item)});
      queries.embeddings.insert(queries.embeddings.end(), row.begin(), row.end());
    } else {
      programs::print_error(app, item.path + ": " + item.error);
      print_error(options, item.path, item.error);
    }
  });
  queries.seconds = progress.seconds();
  programs::print_timings(app, options, batches.timings());
  return queries;
}

/// Whether a query and an image of the index are one file. An image that isn't there is compared by its name; `unseen`
/// is then set.
bool is_same_file(const std::string& query, const std::string& image, bool& unseen) {
  const std::filesystem::path first = programs::path_of(query), second = programs::path_of(image);
  if (first.lexically_normal() == second.lexically_normal()) return true;
  std::error_code ignored;
  if (!std::filesystem::exists(second, ignored)) unseen = true;
  return std::filesystem::equivalent(first, second, ignored);
}

/// Finds the images of the index that are nearest to each query, without the query's own file for --exclude-self.
void find_nearest(const CLI::App& app, const programs::EmbeddingIndex& index, const Options& options,
                  const beit::Executor& executor, Queries& queries) {
  const auto count = static_cast<beit::Index>(queries.results.size());
  beit::NearestRows nearest(Eigen::Map<const beit::RowMajorMatrix>(queries.embeddings.data(), count, index.dim()),
                            options.k + (options.exclude_self ? 1 : 0), executor);
  index.for_each_block([&](const beit::ConstRows& rows) {
    if (programs::stop_signal != 0) throw programs::Interrupted();
    nearest.add(rows);
  });
  const std::vector<std::vector<beit::Neighbour>>& found = nearest.results();
  std::vector<beit::Index> rows;
  for (const auto& neighbours : found) {
    for (const beit::Neighbour& neighbour : neighbours) rows.push_back(neighbour.row);
  }
  const std::map<beit::Index, programs::Entry> entries = index.entries(rows);
  bool unseen = false;
  for (std::size_t i = 0; i < queries.results.size(); ++i) {
    for (const auto& [row, score] : found[i]) {
      const programs::Entry& entry = entries.at(row);
      std::vector<programs::Found>& shown = queries.results[i].found;
      if (std::ssize(shown) == options.k ||
          (options.exclude_self && is_same_file(queries.results[i].query, entry.path, unseen)))
        continue;
      shown.push_back({entry.path, entry.label, score});
    }
  }
  if (unseen) {
    programs::print_error(app, "--exclude-self: images of the index aren't found from this folder: compared by name");
  }
}

/// Prints a group of duplicates, the `which`-th from 1.
void print_group(const Options& options, std::size_t which, const std::vector<programs::Found>& group) {
  if (options.json) {
    programs::FloatJson images = programs::FloatJson::array();
    for (const auto& [path, label, score] : group) {
      images.push_back({{"path", path}, {"label", label_json(label)}, {"score", score}});
    }
    programs::print_json({{"group", which}, {"images", images}});
  } else if (options.csv) {
    for (const auto& [path, label, score] : group) {
      programs::print_csv(
          {std::to_string(which), programs::csv_field(path), programs::csv_field(label), programs::csv_field(score)});
    }
  } else {
    std::cout << "group " << which << ": " << group.size() << " images\n" << std::fixed << std::setprecision(4);
    for (const auto& [path, label, score] : group) {
      std::cout << std::setw(8) << score << "  " << programs::one_line(path) << '\n';
    }
  }
}

/// Opens the index. A line on standard error says if shards are missing, whose images aren't found then.
programs::EmbeddingIndex open_index(const CLI::App& app, const Options& options) {
  const programs::ShardFolder folder(programs::path_of(options.index));
  if (const std::string missing = programs::missing_shards(folder); !missing.empty()) {
    programs::print_error(app, options.index + ": incomplete: " + missing + ", whose images aren't found");
  }
  return programs::EmbeddingIndex(folder.path());
}

/// Prints the groups of near-duplicates in the index.
int find_duplicates(const CLI::App& app, const Options& options) {
  constexpr std::size_t most_groups = 200, most_images = 50;  // on the page, which contains them
  programs::check_outputs(options, {{"--html", programs::path_of(options.html), programs::OutputKind::html}});
  const programs::EmbeddingIndex index = open_index(app, options);
  beit::ThreadPool pool(options.threads);
  programs::InputProgress progress(static_cast<std::size_t>(index.rows()), options.quiet);
  const std::vector<programs::DuplicateGroup> groups = programs::find_duplicates(
      index, *options.duplicates, pool, [&](beit::Index rows) { progress.show(static_cast<std::size_t>(rows)); });
  progress.clear();
  std::vector<beit::Index> rows;
  for (const programs::DuplicateGroup& group : groups) {
    for (const beit::Neighbour& image : group) rows.push_back(image.row);
  }
  const std::map<beit::Index, programs::Entry> entries = index.entries(rows);
  if (options.csv) programs::print_csv({"group", "path", "label", "score"});
  std::vector<programs::Results> shown;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    programs::Results result;
    for (const auto& [row, score] : groups[i]) {
      result.found.push_back({entries.at(row).path, entries.at(row).label, score});
    }
    print_group(options, i + 1, result.found);
    if (i >= most_groups) continue;
    result.images = result.found.size();
    result.found.resize(std::min(result.found.size(), most_images));
    shown.push_back(std::move(result));
  }
  const std::string text = programs::counted(std::ssize(groups), "group") + " of " +
                           programs::counted(std::ssize(rows), "image") + " among " + std::to_string(index.rows());
  if (!options.json && !options.csv && !options.quiet) std::cout << text << '\n';
  if (!options.html.empty()) {
    beit::AtomicFile file(programs::path_of(options.html));
    file.write(programs::html_page(
        "Near-duplicates",
        text + (groups.size() > most_groups ? "; the largest " + std::to_string(most_groups) + " are shown" : ""),
        shown, options.decode));
    file.close();
  }
  return 0;
}

int search(const CLI::App& app, const Options& options) {
  programs::check_outputs(options, {{"--html", programs::path_of(options.html), programs::OutputKind::html}});
  const programs::ShardFolder folder(programs::path_of(options.index));
  programs::require_same_features(app.get_name(), options.index, folder, {{"tokens", query_tokens}});
  const programs::EmbeddingIndex index = open_index(app, options);
  beit::ThreadPool pool(options.threads);
  const auto loaded = programs::load_features(app.get_name(), options, pool);
  const beit::AnyBeit& model = *loaded;
  const beit::Config& config = model.config();
  programs::require_same_features(
      app.get_name(), options.index, folder,
      programs::feature_options(options, programs::demo_model(), query_tokens, config.preprocessing.pass_order));
  if (index.dim() != config.embed_dim) {
    throw std::runtime_error(options.index + ": found embeddings of " + std::to_string(index.dim()) +
                             " numbers, wanted " + std::to_string(config.embed_dim) + ", the model's width");
  }
  beit::Workspace workspace(pool);
  programs::describe(app, options, programs::model_text(config), config.preprocessing, workspace.executor());
  if (!options.html.empty())
    beit::AtomicFile(programs::path_of(options.html));  // refuses a name that can't be written before the work

  if (options.csv) programs::print_csv({"query", "rank", "path", "label", "score", "error"});
  Queries queries = embed_queries(app, options, model, workspace);
  find_nearest(app, index, options, workspace.executor(), queries);
  for (const programs::Results& results : queries.results) print(options, results, queries.results.size() > 1);
  if (!options.html.empty() && !queries.results.empty()) {
    beit::AtomicFile file(programs::path_of(options.html));
    file.write(programs::html_page("Most similar images", "", queries.results, options.decode));
    file.close();
  }
  programs::print_unlike_demo(app, options, queries.outcome);
  programs::print_summary(app, options, {options.html}, queries.outcome.done, queries.seconds);
  return queries.outcome.status(options.strict);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Finds the images that are most similar to the given ones, by the cosine of their embeddings.",
               "beit-search");
  app.add_option("--index", options.index,
                 "Embeddings of the images to search, made by the same model: a folder with img_emb and\n"
                 "metadata, or a file OUT.npy with OUT.txt, as beit-embed writes them")
      ->option_text("OUT")
      ->required()
      ->check(programs::not_empty());
  auto* const top_k = app.add_option("-k,--top-k", options.k, "Number of images to show per query [10]")
                          ->option_text("K")
                          ->check(CLI::Range(1, 1'000'000));
  auto* const json = app.add_flag("--json", options.json, "Print one JSON object per query, each on its own line");
  app.add_flag("--csv", options.csv, "Print comma-separated values: a header, then one line per image found")
      ->excludes(json);
  app.add_option("--html", options.html, "Also write a self-contained page that shows the images")
      ->option_text("OUT.html")
      ->check(programs::name_in(".html"));
  auto* const exclude_self = app.add_flag("--exclude-self", options.exclude_self,
                                          "Leave out the query itself, if the index has the same file");
  auto* const duplicates =
      app.add_option("--duplicates", options.duplicates,
                     "Instead of searching for images, print groups of images in the index that look almost\n"
                     "the same: each has a cosine of at least C, such as 0.95, with another of its group")
          ->option_text("C")
          ->check(CLI::Range(0.0, 1.0))
          ->check(programs::not_nan());
  programs::add_options(app, options);
  programs::add_image_size(app, options);
  programs::add_examples(app, {"beit-embed -o embeddings photos/", "beit-search --index embeddings -k 5 photo.jpg",
                               "beit-search --index embeddings --html near.html photo.jpg",
                               "beit-search --index embeddings --duplicates 0.95 --html duplicates.html"});
  auto* const images = app.get_option("IMAGE|FOLDER")->required(false);
  for (auto* const other : {top_k, exclude_self, images, app.get_option("--model")}) duplicates->excludes(other);
  app.callback([&] {
    if (!options.duplicates) programs::require_inputs(options.images, "");
  });
  return programs::run(app, argc, argv,
                       [&] { return options.duplicates ? find_duplicates(app, options) : search(app, options); });
}
