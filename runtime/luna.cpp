#include "runtime/luna.h"
