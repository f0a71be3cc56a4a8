#pragma once
#include <gpuplace/runtime.hpp>
