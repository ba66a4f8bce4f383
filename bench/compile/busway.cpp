#include "busway/busway.hpp"
