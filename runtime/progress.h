// One line on a terminal that says how far a run is; nothing at all where the stream is no terminal.
//
//   step 12000/40000 [=======>              ]  30%  loss 0.0123     1.2 M steps/s
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace gradc::runtime {

struct ProgressReading {
  uint64_t step = 0;
  uint64_t steps = 0;
  float loss = 0;
  double steps_a_second = 0;
  std::vector<std::pair<std::string, float>> reports = {};  // shown behind the loss
};

// The line in at most `width` columns; the bar gives way first.
std::string progress_line(const ProgressReading& reading, int width);

class Progress {
 public:
  // Shown where `stream` is a terminal that can rewrite its line (TERM is set and not "dumb") and `wanted`.
  Progress(std::FILE* stream, bool wanted);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // At most ten times a second.
  void show(uint64_t step, uint64_t steps, float loss, const std::vector<std::pair<std::string, float>>& reports = {});
  // Takes the line away, so that other text can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  std::FILE* stream_;
  bool enabled_;
  bool visible_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = {};
};

}  // namespace gradc::runtime
