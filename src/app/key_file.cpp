// The first line of a file that holds a key.
#include "app/key_file.hpp"

#include <fstream>
#include <iostream>

namespace nova::app {

std::string key_in(const std::string& file) {
    std::string text;
    if (file == "-") {
        std::getline(std::cin, text);
    } else {
        std::ifstream in{file};
        std::getline(in, text);
    }
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

}  // namespace nova::app
