#include "runtime/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace gradc::runtime {
namespace {

constexpr int kBarWidth = 30;

int terminal_width(std::FILE* stream) {
  winsize size = {};
  return ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string rate(double steps_a_second) {
  if (steps_a_second >= 1e6) return fmt::format("{:.1f} M steps/s", steps_a_second / 1e6);
  if (steps_a_second >= 1e3) return fmt::format("{:.1f} k steps/s", steps_a_second / 1e3);
  return fmt::format("{:.1f} steps/s", steps_a_second);
}

}  // namespace

std::string progress_line(const ProgressReading& reading, int width) {
  const double share = reading.steps > 0 ? static_cast<double>(reading.step) / static_cast<double>(reading.steps) : 1;
  const std::string head =
      fmt::format("step {:>{}}/{}", reading.step, fmt::formatted_size("{}", reading.steps), reading.steps);
  // Fields of fixed width, so that the line does not tremble.
  std::string tail = fmt::format("{:3.0f}%  loss {:<9.4g}  ", share * 100, static_cast<double>(reading.loss));
  for (const auto& [name, value] : reading.reports) {
    tail += fmt::format("{} {:<9.4g}  ", name, static_cast<double>(value));
  }
  tail += fmt::format("{:>14}", rate(reading.steps_a_second));
  const int room = std::min(kBarWidth, width - static_cast<int>(head.size() + tail.size()) - 4);
  std::string line = head + " ";
  if (room >= 5) {
    const int filled = static_cast<int>(share * room);
    std::string bar(static_cast<size_t>(filled), '=');
    if (filled < room) bar += '>';
    bar.resize(static_cast<size_t>(room), ' ');
    line += "[" + bar + "] ";
  }
  return (line + tail).substr(0, static_cast<size_t>(std::max(width, 0)));
}

Progress::Progress(std::FILE* stream, bool wanted) : stream_(stream) {
  const char* terminal = std::getenv("TERM");
  enabled_ = wanted && ::isatty(::fileno(stream)) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

void Progress::show(uint64_t step, uint64_t steps, float loss,
                    const std::vector<std::pair<std::string, float>>& reports) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const ProgressReading reading{step, steps, loss, seconds > 0 ? static_cast<double>(step) / seconds : 0, reports};
  // The last column stays free: writing there would wrap the line.
  fmt::print(stream_, "\r\x1b[K{}", progress_line(reading, terminal_width(stream_) - 1));
  std::fflush(stream_);
  visible_ = true;
}

void Progress::clear() {
  if (!visible_) return;
  fmt::print(stream_, "\r\x1b[K");
  std::fflush(stream_);
  visible_ = false;
}

}  // namespace gradc::runtime
