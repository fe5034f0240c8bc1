#include "runtime/progress.h"

#include <doctest/doctest.h>

using namespace gradc::runtime;

TEST_CASE("progress: the line fits the width, the bar gives way first") {
  const ProgressReading reading{2000, 40000, 0.0123f, 1.25e6};
  CHECK(progress_line(reading, 100) ==
        "step  2000/40000 [=>                            ]   5%  loss 0.0123      1.2 M steps/s");
  CHECK(progress_line(reading, 65) == "step  2000/40000 [>        ]   5%  loss 0.0123      1.2 M steps/s");
  CHECK(progress_line(reading, 55) == "step  2000/40000   5%  loss 0.0123      1.2 M steps/s");
  CHECK(progress_line(reading, 20) == "step  2000/40000   5");
  CHECK(progress_line(reading, 0).empty());
  CHECK(progress_line({2000, 40000, 0.0123f, 1.25e6, {{"reward", -0.25f}}}, 90) ==
        "step  2000/40000 [>               ]   5%  loss 0.0123     reward -0.25       1.2 M steps/s");
  CHECK(progress_line({40000, 40000, 1e-6f, 500}, 100) ==
        "step 40000/40000 [==============================] 100%  loss 1e-06       500.0 steps/s");
}
