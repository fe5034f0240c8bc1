// What names an entry of the compile cache.
#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <llvm/ADT/StringExtras.h>
#include <llvm/Support/SHA256.h>

#include "codegen/codegen.h"
#include "codegen/target.h"
#include "ir/print.h"

namespace gradc::codegen {

namespace {

// The note that the linker leaves in this program: it differs from build to build. Empty where there is none.
std::string build_id() {
  std::string id;
  const auto look = [](dl_phdr_info* info, size_t, void* result) {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const ElfW(Phdr)& header = info->dlpi_phdr[i];
      if (header.p_type != PT_NOTE) continue;
      const char* at = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
      const char* end = at + header.p_memsz;
      while (at + sizeof(ElfW(Nhdr)) <= end) {
        const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
        const auto padded = [](size_t size) { return (size + 3) / 4 * 4; };
        const char* name = at + sizeof(*note);
        const char* text = name + padded(note->n_namesz);
        if (note->n_type == NT_GNU_BUILD_ID && llvm::StringRef(name, note->n_namesz) == llvm::StringRef("GNU", 4))
          *static_cast<std::string*>(result) = llvm::toHex(llvm::StringRef(text, note->n_descsz));
        at = text + padded(note->n_descsz);
      }
    }
    return 1;  // the first is the program itself
  };
  dl_iterate_phdr(look, &id);
  return id;
}

}  // namespace

std::string digest(std::string_view text) {
  llvm::SHA256 hash;
  hash.update(llvm::StringRef(text.data(), text.size()));
  return llvm::toHex(hash.final(), /*LowerCase=*/true);
}

std::string cache_key(const ir::Func& func, const std::vector<std::string>& files, const Options& options) {
  // By name, so that an option that is added does not compile before it is part of the key. `cpu` is part of the
  // target.
  const auto& [opt_level, vector_width, unroll, software_fma, debug_info, parallel_ns, time_llvm, explain,
               compile_threads, cpu] = options;
  const std::string build = build_id();
  if (build.empty()) return {};
  return digest(fmt::format("{}\n{}\nO{} width {} unroll {} software fma {} debug {} parallel {}\n{}", build,
                            target_text(options), opt_level, vector_width, unroll, software_fma, debug_info,
                            parallel_ns, ir::print(func, files)));
}

}  // namespace gradc::codegen
