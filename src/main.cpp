// nova: finds out what a machine can do, runs language models on it, and serves them.
#include "app/cli.hpp"

int main(int argc, char** argv) {
    return nova::app::run_cli(argc, argv);
}
