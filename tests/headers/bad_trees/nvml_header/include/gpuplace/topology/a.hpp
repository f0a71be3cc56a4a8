#pragma once
#include <nvml.h>
