#pragma once
#include <gpuplace/core/detail/b.hpp>
