// libFuzzer: any bytes as a data or weights file. The first byte chooses the reader, the rest is the file. What a
// reader takes is asked for whole.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "ir/ensure.h"
#include "runtime/read_table.h"
#include "runtime/safetensors.h"

using namespace gradc;

namespace {

void read_weights(const std::string& path) {
  const ir::Result<runtime::SafetensorsReader> reader = runtime::SafetensorsReader::open(path);
  if (!reader) return;
  for (const runtime::StoredTensor& tensor : reader->tensors()) {
    ENSURE(reader->find(tensor.name) != nullptr, tensor.name);
    (void)reader->read_f32(tensor);
    (void)reader->read_array(tensor, "w");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/dev/shm/gradc_fuzz." + std::to_string(::getpid());
  if (size < 1) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  ENSURE(runtime::write_text_file(path, bytes).ok(), path);
  switch (data[0] % 6) {
    case 0:
      (void)runtime::parse_csv("f.csv", bytes);
      break;
    case 1:
      (void)runtime::parse_text("f.txt", bytes, true, 4);
      break;
    case 2:
      (void)runtime::parse_text("f.txt", bytes, false, 4);
      break;
    case 3:
      (void)runtime::read_npy(path, "f.npy");
      break;
    case 4:
      (void)runtime::read_idx(path, "f.idx");
      break;
    default:
      read_weights(path);
  }
  return 0;
}
