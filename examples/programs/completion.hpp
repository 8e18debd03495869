// Writes a program's completion for bash and zsh from the options that --help shows.
#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

namespace programs {

/// The options of subcommands, which are programs of their own: "beit-embed merge".
using Subcommands = std::vector<CLI::App*>;

/// The ways to complete a value on the command line.
enum class Completes { nothing, files, folders, words };

inline bool is_positional(const CLI::Option& option) { return option.get_positional(); }
inline bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

/// The name of an option's value or of an argument: "N", "OUT.npy", "IMAGE|FOLDER".
inline std::string value_name(const CLI::Option& option) {
  return is_positional(option) ? option.get_single_name() : option.get_option_text();
}

/// The words that an option is known to accept, separated by spaces.
inline std::string words_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();  // with validators: "TEXT:{float32,float16}"
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == type.npos || end == type.npos) return "";
  std::string words = type.substr(begin + 1, end - begin - 1);
  std::replace(words.begin(), words.end(), ',', ' ');
  return words;
}

/// The first part in the name of a value decides what completes it.
inline Completes completes(const CLI::Option& option) {
  struct Row {
    std::string_view part;
    Completes completes;
  };
  static constexpr Row rows[] = {
      {"FILE", Completes::files}, {"PATH", Completes::files}, {"IMAGE", Completes::files},
      {"OUT", Completes::files},  {".", Completes::files},    {"FOLDER", Completes::folders},
  };
  if (!words_of(option).empty()) return Completes::words;
  const std::string name = value_name(option);
  for (const auto& [part, completes] : rows) {
    if (name.find(part) != name.npos) return completes;
  }
  return Completes::nothing;
}

/// The names of an option, with dashes: "-m", "--model".
inline std::vector<std::string> dashed_names(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

inline std::string joined(const std::vector<std::string>& texts, const std::string& separator) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : separator) + text;
  return all;
}

inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t at; (at = text.find(from)) != text.npos; text.remove_prefix(at + from.size())) {
    result.append(text.substr(0, at)).append(to);
  }
  return result.append(text);
}

/// "_beit_embed_merge"
inline std::string function_name(const CLI::App& app) {
  return "_" + replaced(replaced(app.get_name(), "-", "_"), " ", "_");
}

/// The last word of a subcommand's name: "merge".
inline std::string subcommand_name(const CLI::App& app) { return app.get_name().substr(app.get_name().rfind(' ') + 1); }

// Completion for bash

/// The commands that complete $word to a value.
inline std::string bash_completes(const CLI::Option& option) {
  const auto reply = [](const std::string& how) {
    return "mapfile -t COMPREPLY < <(compgen " + how + " -- \"$word\")";
  };
  const std::string no_files = "compopt +o default 2>/dev/null", names = "; compopt -o filenames 2>/dev/null";
  switch (completes(option)) {
    case Completes::files:
      return reply("-f") + names;
    case Completes::folders:
      return reply("-d") + names;
    case Completes::words:
      return reply("-W '" + words_of(option) + "'") + "; " + no_files;
    case Completes::nothing:
      break;
  }
  return no_files;
}

inline void write_bash_function(std::ostream& out, const CLI::App& app, const Subcommands& subcommands) {
  out << function_name(app) << "() {\n";
  for (CLI::App* const sub : subcommands) {
    out << "  if [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == " << subcommand_name(*sub) << " ]]; then\n    "
        << function_name(*sub) << "\n    return\n  fi\n";
  }
  out << "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "  # Bash splits --option=value at the sign.\n"
         "  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
         "  COMPREPLY=()\n"
         "  case $before in\n";
  std::vector<std::string> all;
  std::string argument = "compopt +o default 2>/dev/null";
  for (const CLI::Option* const option : app.get_options()) {
    const std::vector<std::string> names = dashed_names(*option);
    all.insert(all.end(), names.begin(), names.end());
    if (is_positional(*option)) {
      argument = bash_completes(*option);
    } else if (takes_value(*option)) {
      out << "    " << joined(names, " | ") << ") " << bash_completes(*option) << "; return ;;\n";
    }
  }
  out << "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '"
      << joined(all, " ") << "' -- \"$word\")\n"
      << "    compopt +o default 2>/dev/null\n"
         "    return\n"
         "  fi\n  "
      << argument << '\n';
  for (CLI::App* const sub : subcommands) {
    const std::string name = subcommand_name(*sub);
    out << "  if [[ $COMP_CWORD -eq 1 && " << name << " == \"$word\"* ]]; then COMPREPLY+=(" << name << "); fi\n";
  }
  out << "  return 0\n}\n";
}

inline void write_bash(std::ostream& out, const CLI::App& app, const Subcommands& subcommands) {
  out << "# Completion of " << app.get_name() << " in bash\n";
  for (CLI::App* const sub : subcommands) write_bash_function(out, *sub, {});
  write_bash_function(out, app, subcommands);
  out << "complete -o default -F " << function_name(app) << ' ' << app.get_name() << '\n';
}

// Completion for zsh

/// The beginning of a description, up to a default or a list, for one line in a menu.
inline std::string summary_of(const CLI::Option& option) {
  std::string text = replaced(option.get_description(), "\n", " ");
  for (const char* const end : {" [", ": ", ";"}) text = text.substr(0, text.find(end));
  return text;
}

inline std::string zsh_completes(const CLI::Option& option) {
  const std::string value = ":" + value_name(option) + ":";
  switch (completes(option)) {
    case Completes::files:
      return value + "_files";
    case Completes::folders:
      return value + "_files -/";
    case Completes::words:
      return value + "(" + words_of(option) + ")";
    case Completes::nothing:
      break;
  }
  return value + " ";
}

inline void write_zsh_function(std::ostream& out, const CLI::App& app, const Subcommands& subcommands) {
  const auto quoted = [](const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; };
  out << function_name(app) << "() {\n";
  std::vector<std::string> commands;
  for (CLI::App* const sub : subcommands) {
    commands.push_back(subcommand_name(*sub));
    out << "  if (( CURRENT > 2 )) && [[ $words[2] == " << commands.back()
        << " ]]; then\n    shift words\n    (( CURRENT-- ))\n    " << function_name(*sub) << "\n    return\n  fi\n";
  }
  out << "  _arguments -s";
  if (!commands.empty()) {
    out << " \\\n    "
        << quoted("1: :_alternative \"commands:command:(" + joined(commands, " ") + ")\" \"files:file:_files\"");
  }
  for (const CLI::Option* const option : app.get_options()) {
    out << " \\\n    ";
    if (is_positional(*option)) {
      out << quoted((option->get_items_expected_max() > 1 ? "*" : "") + zsh_completes(*option));
      continue;
    }
    std::vector<std::string> names = dashed_names(*option);
    const std::string others = "(" + joined(names, " ") + ")";
    if (takes_value(*option)) {
      for (std::string& name : names) name += name.starts_with("--") ? "=" : "+";
    }
    out << quoted(others) << (names.size() > 1 ? "{" + joined(names, ",") + "}" : names.front())
        << quoted("[" + replaced(replaced(summary_of(*option), "[", "\\["), "]", "\\]") + "]" +
                  (takes_value(*option) ? zsh_completes(*option) : ""));
  }
  out << "\n}\n";
}

inline void write_zsh(std::ostream& out, const CLI::App& app, const Subcommands& subcommands) {
  out << "#compdef " << app.get_name() << '\n';
  for (CLI::App* const sub : subcommands) write_zsh_function(out, *sub, {});
  write_zsh_function(out, app, subcommands);
  out << function_name(app) << " \"$@\"\n";
}

}  // namespace programs
