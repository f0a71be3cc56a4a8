#pragma once
#include <gpuplace/backends/torch.hpp>
