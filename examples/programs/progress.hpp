// Shows on standard error how far the work has come.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace programs {

inline bool is_terminal(std::FILE* stream) {
#if defined(_WIN32)
  return ::_isatty(::_fileno(stream)) != 0;
#else
  return ::isatty(::fileno(stream)) != 0;
#endif
}

/// "0:07", "1:02:03"
inline std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(seconds);
  std::ostringstream text;
  text << std::setfill('0');
  if (whole >= 3600) text << whole / 3600 << ':' << std::setw(2);
  text << whole / 60 % 60 << ':' << std::setw(2) << whole % 60;
  return text.str();
}

/// "12.5 images/s"
inline std::string rate_text(std::int64_t images, double seconds) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << static_cast<double>(images) / seconds << " images/s";
  return text.str();
}

/// A line on standard error that tells of the work: on a terminal it is there from one second after the beginning, and
/// each text replaces the one before; elsewhere there is a line a minute.
class StatusLine {
 public:
  explicit StatusLine(bool quiet) : quiet_(quiet) {}
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine() { clear(); }

  bool is_terminal() const { return is_terminal_; }
  /// The seconds since the beginning.
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// Whether it is time for a text.
  bool due() const { return !quiet_ && Clock::now() >= due_; }

  void show(const std::string& text) {
    if (is_terminal_) {
      const std::size_t before = std::exchange(width_, text.size());
      std::cerr << '\r' << text << std::string(before - std::min(before, width_), ' ') << std::flush;
      width_ = std::max(width_, before);
    } else {
      std::cerr << text << std::endl;
      due_ = Clock::now() + std::chrono::minutes(1);
    }
  }

  /// Clears the line for other output.
  void clear() {
    if (width_ > 0) std::cerr << '\r' << std::string(width_, ' ') << '\r' << std::flush;
    width_ = 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_;
  bool is_terminal_ = programs::is_terminal(stderr);
  std::size_t width_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point due_ = start_ + (is_terminal_ ? std::chrono::seconds(1) : std::chrono::seconds(60));
};

/// Shows "[=====>     ] 96/1000 images, 12.5 images/s, 1:12 left".
class Progress {
 public:
  /// Means that the total isn't known: there is no bar and no time left.
  static constexpr std::size_t unknown = 0;

  explicit Progress(bool quiet) : line_(quiet) {}

  void set_total(std::size_t total) { total_ = total; }

  /// `worked` of the `done` images were processed in this run; this process handles one in `parts` of those that
  /// remain.
  void show(std::size_t done, std::size_t worked, std::size_t parts) {
    if (line_.due()) line_.show(text(done, worked, parts));
  }
  void clear() { line_.clear(); }
  double seconds() const { return line_.seconds(); }

 private:
  std::string text(std::size_t done, std::size_t worked, std::size_t parts) const {
    std::string text;
    if (total_ != unknown && line_.is_terminal()) {
      constexpr std::size_t width = 20;
      const std::size_t filled = std::min(done, total_) * width / total_;
      text = "[" + std::string(filled, '=') + (filled < width ? ">" : "") +
             std::string(width - std::min(width, filled + 1), ' ') + "] ";
    }
    text += std::to_string(done) + (total_ != unknown ? "/" + std::to_string(total_) : "") + " images";
    if (worked == 0) return text;
    text += ", " + rate_text(static_cast<std::int64_t>(worked), seconds());
    if (total_ == unknown) return text;
    const double to_do = static_cast<double>(total_ - std::min(done, total_)) / static_cast<double>(parts);
    return text + ", " + clock_text(to_do * seconds() / static_cast<double>(worked)) + " left";
  }

  std::size_t total_ = unknown;
  StatusLine line_;
};

/// Shows how long a step of unknown length has taken so far: "choosing C by cross-validation, 0:12".
class Step {
 public:
  Step(std::string name, bool quiet) : name_(std::move(name)), line_(quiet), thread_([this] { work(); }) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    end_.notify_one();
    thread_.join();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (!end_.wait_for(lock, std::chrono::milliseconds(250), [this] { return ended_; })) {
      if (line_.due()) line_.show(name_ + ", " + clock_text(line_.seconds()));
    }
  }

  std::string name_;
  StatusLine line_;
  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;
  std::thread thread_;  // last, so that it starts when the other members are there
};

}  // namespace programs
