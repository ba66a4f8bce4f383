// Linked against one component each, to show that its exported target and dependencies are whole.

#include <busway/version.hpp>

int main() { return busway::kVersion.empty() ? 1 : 0; }
