// in_line.hpp -- whether somebody waits for the lock on a file.
#pragma once

#include <sys/stat.h>

#include <fstream>
#include <string>

namespace busway {

/// As the kernel tells: "1: -> FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF".
inline bool waits_in_line(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return false;
  const std::string inode = ':' + std::to_string(file.st_ino) + ' ';
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (line.find("-> FLOCK") != std::string::npos && line.find(inode) != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace busway
