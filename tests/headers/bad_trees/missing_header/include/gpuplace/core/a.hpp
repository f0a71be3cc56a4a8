#pragma once
#include <gpuplace/core/gone.hpp>
