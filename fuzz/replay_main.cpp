// Runs a fuzz target over every file of its corpus, so that each input ever found stays found.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> found;
    std::error_code error;
    for (auto at = std::filesystem::recursive_directory_iterator(folder, error);
         at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
        if (at->is_regular_file()) {
            found.push_back(at->path());
        }
    }
    std::ranges::sort(found);
    return found;
}

// A copy of exactly that size on the heap, so that a read past its end is seen.
std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    return {bytes.begin(), bytes.end()};
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& path : files_below(argv[i])) {
            // Said first: when the target aborts, this is the last line of the log.
            std::printf("%s\n", path.c_str());
            std::fflush(stdout);
            const auto input = read_file(path);
            LLVMFuzzerTestOneInput(input.data(), input.size());
            ++count;
        }
    }
    std::printf("replayed %zu inputs\n", count);
    if (count == 0) {
        std::fprintf(stderr, "no input found; give the folder of the corpus, fuzz/corpus/NAME\n");
        return 1;
    }
    return 0;
}
