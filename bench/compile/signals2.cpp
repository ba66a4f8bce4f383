#include <boost/signals2.hpp>
