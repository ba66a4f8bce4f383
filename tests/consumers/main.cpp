// What a user of the library writes first; both consumer projects build and run it.

#include <iostream>

#include <busway/version.hpp>

int main() { std::cout << "busway " << busway::kVersion << "\n"; }
