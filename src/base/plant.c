#include "base/plant.h"

#if defined(QUORATE_PLANTS)
enum plant plant_active = PLANT_NONE;
#else
typedef int plant_nothing;
#endif
