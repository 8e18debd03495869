// Writes a program's manual page from its --help.
#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <beit/core/version.hpp>

#include "completion.hpp"

namespace programs {

/// The description of an option, with the options that it can't go together with: "... (not with --csv)".
inline std::string described(const CLI::Option& option) {
  std::vector<std::string> others;
  for (const CLI::Option* const other : option.get_excludes()) others.push_back(other->get_name());
  std::sort(others.begin(), others.end());
  return option.get_description() + (others.empty() ? "" : "\n(not with " + joined(others, ", ") + ")");
}

/// Formats --help: an option's names and value on the left, and all else on the right.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(32); }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_option_text().empty() ? "" : " " + option->get_option_text();
  }
  std::string make_option_desc(const CLI::Option* option) const override { return described(*option); }
};

/// An exit status and its meaning, for all programs.
struct ExitStatus {
  int status;
  const char* meaning;
};
inline constexpr ExitStatus exit_statuses[] = {
    {0, "done, even if some images can't be read"},
    {1, "nothing or not all could be looked at"},
    {2, "wrong usage"},
};

/// One line for every program's --help: "Exit status: 0 done ...; 1 ...; 2 wrong usage."
inline std::string status_text() {
  std::string text = "Exit status:";
  for (const auto& [status, meaning] : exit_statuses) {
    text += (status > 0 ? "; " : " ") + std::to_string(status) + " " + meaning;
  }
  return text + ".";
}

/// Begins the last part of the footer of --help, whose lines are indented commands.
inline constexpr std::string_view examples_heading = "Examples:\n";

/// Adds examples to the end of --help.
inline void add_examples(CLI::App& app, const std::vector<std::string>& commands) {
  std::string footer = app.get_footer();
  if (!footer.empty()) footer += "\n\n";
  footer += examples_heading;
  for (const std::string& command : commands) footer += "  " + command + "\n";
  app.footer(footer);
}

/// Text for troff, in which no character has a meaning of its own.
inline std::string roff(const std::string& text) {
  const std::string escaped = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  return escaped.starts_with('.') || escaped.starts_with('\'') ? "\\&" + escaped : escaped;
}
inline std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
inline std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

/// Writes a description. Its lines such as "float16  half the size" become a list.
inline void write_description(std::ostream& out, const std::string& text) {
  std::istringstream lines(text);
  bool in_list = false;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t gap = line.find("  ");
    if (gap != line.npos && gap > 0 && line.find(' ') == gap) {
      if (!in_list) out << ".RS\n";
      in_list = true;
      out << ".TP\n" << bold(line.substr(0, gap)) << '\n';
      line = line.substr(gap);
    }
    out << roff(line.substr(std::min(line.find_first_not_of(' '), line.size()))) << '\n';
  }
  if (in_list) out << ".RE\n";
}

/// Writes paragraphs; indented lines are commands, which keep their line breaks.
inline void write_paragraphs(std::ostream& out, const std::string& text) {
  std::istringstream lines(text);
  bool in_commands = false;
  for (std::string line; std::getline(lines, line);) {
    const bool is_command = line.starts_with("  ");
    if (is_command != in_commands) out << (is_command ? ".RS 4\n.EX\n" : ".EE\n.RE\n");
    in_commands = is_command;
    if (is_command) {
      out << replaced(roff(line.substr(line.find_first_not_of(' '))), "'", "\\(aq") << '\n';
    } else {
      out << (line.empty() ? ".PP" : roff(line)) << '\n';
    }
  }
  if (in_commands) out << ".EE\n.RE\n";
}

inline void write_synopsis(std::ostream& out, const CLI::App& app) {
  out << bold(app.get_name()) << " [" << italic("OPTION") << "]...";
  for (const CLI::Option* const option : app.get_options(&CLI::Option::get_positional)) {
    const std::string name = italic(value_name(*option));
    out << ' ' << (option->get_required() ? name : "[" + name + "]")
        << (option->get_items_expected_max() > 1 ? "..." : "");
  }
  out << '\n';
}

inline void write_options(std::ostream& out, const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  std::stable_partition(options.begin(), options.end(), [](const CLI::Option* o) { return is_positional(*o); });
  for (const CLI::Option* const option : options) {
    std::vector<std::string> names = dashed_names(*option);
    std::transform(names.begin(), names.end(), names.begin(), bold);
    const std::string value = takes_value(*option) ? italic(value_name(*option)) : "";
    out << ".TP\n" << joined(names, ", ") << (names.empty() || value.empty() ? "" : " ") << value << '\n';
    write_description(out, described(*option));
  }
}

/// Writes the manual page, in section 1.
inline void write_man(std::ostream& out, const CLI::App& app, const Subcommands& subcommands) {
  static constexpr const char* programs[] = {"beit-attention", "beit-classify", "beit-embed",     "beit-mask",
                                             "beit-search",    "beit-segment",  "beit-train-head"};
  const std::string description = app.get_description(), footer = app.get_footer();
  const std::size_t examples = std::min(footer.find(examples_heading), footer.size());
  std::string what = description.substr(0, description.find_last_not_of('.') + 1);
  what.front() = CLI::detail::to_lower(what.substr(0, 1)).front();
  out << ".TH " << roff(app.get_name()) << " 1 \"\" \"beit " BEIT_VERSION << "\" \"User Commands\"\n.SH NAME\n"
      << roff(app.get_name()) << " \\- " << roff(what) << "\n.SH SYNOPSIS\n";
  write_synopsis(out, app);
  for (CLI::App* const sub : subcommands) {
    out << ".br\n";
    write_synopsis(out, *sub);
  }
  out << ".SH DESCRIPTION\n" << roff(description) << '\n';
  if (examples > 0) out << ".PP\n";
  write_paragraphs(out, footer.substr(0, examples));
  out << ".SH OPTIONS\n";
  write_options(out, app);
  for (CLI::App* const sub : subcommands) {
    out << ".SH OPTIONS OF " << roff(subcommand_name(*sub)) << "\n" << roff(sub->get_description()) << '\n';
    write_options(out, *sub);
  }
  out << ".SH EXIT STATUS\n";
  for (const auto& [status, meaning] : exit_statuses) out << ".TP\n" << status << '\n' << roff(meaning) << '\n';
  if (examples < footer.size()) {
    out << ".SH EXAMPLES\n";
    write_paragraphs(out, footer.substr(examples + examples_heading.size()));
  }
  out << ".SH SEE ALSO\n";
  const char* separator = "";
  for (const char* const program : programs) {
    if (program == app.get_name()) continue;
    out << separator << bold(program) << "(1)";
    separator = ",\n";
  }
  out << '\n';
}

/// Writes "man", "bash" or "zsh" for a program. Returns false for any other kind.
inline bool write_manual(std::ostream& out, const std::string& kind, const CLI::App& app,
                         const Subcommands& subcommands) {
  struct Row {
    std::string_view kind;
    void (*write)(std::ostream&, const CLI::App&, const Subcommands&);
  };
  static constexpr Row rows[] = {{"man", write_man}, {"bash", write_bash}, {"zsh", write_zsh}};
  for (const auto& [name, write] : rows) {
    if (name != kind) continue;
    write(out, app, subcommands);
    return true;
  }
  return false;
}

}  // namespace programs
